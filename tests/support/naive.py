"""The order carried out by the letter: what its snippets do, in code of ours, and nothing more.

It is the battery's negative control. A battery that passes this tree is not worth running.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from closeout import resources
from closeout.formats import npm
from closeout.fs import transaction
from closeout.fs.safe_open import clean_path
from closeout.fs.tree import DiskTree
from closeout.gaps.cors.detect import LISTED
from closeout.gaps.factory_secret.services import IDENTITY, TENANT_REGISTRY
from tests.support.monorepos import reference_copy

_ORIGINS = 'os.getenv("ALLOWED_ORIGINS", "http://localhost:5135,http://localhost:5143").split(",")'
_METHODS = '["GET", "POST", "PUT", "DELETE", "OPTIONS"]'

_HEADERS = """
from starlette.middleware.base import BaseHTTPMiddleware


class SecurityHeadersMiddleware(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["X-Frame-Options"] = "DENY"
        response.headers["X-XSS-Protection"] = "1; mode=block"
        response.headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
        response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
        return response
"""

_LIMITER = """
import rateLimit from 'express-rate-limit';

const authRateLimiter = rateLimit({
  windowMs: 15 * 60 * 1000,
  max: 5,
  message: { error: { code: 'TOO_MANY_REQUESTS', message: 'Too many login attempts.' } },
  keyGenerator: (req) => req.body.email || req.ip,
  standardHeaders: true,
  legacyHeaders: false,
});
"""

_CLAIM = """    const FACTORY_SECRET = process.env.DEVICE_FACTORY_SECRET
    if (!FACTORY_SECRET) {
        logger.error('DEVICE_FACTORY_SECRET not configured')
        return res.status(500).json({ error: { code: 'CONFIG_ERROR' } })
    }
    if (claimCode !== FACTORY_SECRET) {
"""


def naive_copy(folder: Path) -> Path:
    """Write a copy of the reference monorepo, closed by the letter, into `folder`."""
    root = reference_copy(folder)
    for name in LISTED:
        (main,) = root.glob(f"*-layer/{name}/app/main.py")
        _rewrite(main, _whitelist)
        _rewrite(main, _headers)
    identity = root / "cloud-layer" / IDENTITY
    _rewrite(identity / "src" / "routes" / "authRoutes.ts", _limiter)
    _depend(root, f"cloud-layer/{IDENTITY}")
    registry = root / "cloud-layer" / TENANT_REGISTRY
    _rewrite(registry / "src" / "controllers" / "provisioning.ts", _claim)
    return root


def _rewrite(place: Path, change: Callable[[str], str]) -> None:
    before = place.read_bytes().decode()
    after = change(before.replace("\r\n", "\n"))
    assert after != before
    place.write_bytes(after.encode())


def _swap(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


def _whitelist(text: str) -> str:
    text = _swap(text, 'allow_origins=["*"]', f"allow_origins={_ORIGINS}")
    text = _swap(text, 'allow_methods=["*"]', f"allow_methods={_METHODS}")
    return _swap(text, "\nfrom fastapi import", "\nimport os\nfrom fastapi import")


def _headers(text: str) -> str:
    """Define the class after the imports and add it where the CORS middleware stands."""
    anchor = text.index("\nlogger = ")
    text = text[:anchor] + _HEADERS + text[anchor:]
    added = next(line for line in text.splitlines() if line.endswith("app.add_middleware("))
    indent = added[: len(added) - len(added.lstrip())]
    return _swap(text, added, f"{indent}app.add_middleware(SecurityHeadersMiddleware)\n{added}")


def _limiter(text: str) -> str:
    text = _swap(text, "\nconst router", f"{_LIMITER}\nconst router")
    for route in ("login", "refresh"):
        text = _swap(text, f"'/{route}', ", f"'/{route}', authRateLimiter, ")
    return text


def _claim(text: str) -> str:
    text = _swap(text, "    if (claimCode !== 'FACTORY-SECRET') {\n", _CLAIM)
    return _swap(
        text,
        "status(403).json({ error: 'Invalid claim code' })",
        "status(401).json({ error: { code: 'INVALID_CLAIM_CODE' } })",
    )


def _depend(root: Path, service: str) -> None:
    wanted = npm.dependencies(resources.render("rate-limit/npm.json.j2", {}))
    name = "express-rate-limit"
    only = replace(wanted, versions={name: wanted.versions[name]})
    edits, unresolved = npm.add(DiskTree(root), clean_path(service), only)
    assert not unresolved
    transaction.commit(root, edits)
