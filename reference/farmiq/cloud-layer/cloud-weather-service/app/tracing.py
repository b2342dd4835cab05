"""Request ids."""

from uuid import uuid4

from fastapi import Request


def request_id(request: Request) -> str:
    """Return the caller's id, or a new one."""
    return request.headers.get("x-request-id") or uuid4().hex
