"""Stand in for a cloud's bucket: an S3 emulator on loopback, and always named as one."""

from __future__ import annotations

import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from closeout import shell
from closeout.errors import CloseoutError
from closeout.probes import postgres

BUCKET = "closeout-probe"
EMULATED = "EMULATOR (moto), not a real bucket"

_START_SECONDS = 30.0


def upload_settings(endpoint: str) -> dict[str, str]:
    """Return the settings that send backups to the emulator at `endpoint`."""
    tools = Path(sys.executable).parent
    path = shell.environment().get("PATH", "")
    return {
        "BACKUP_BUCKET": f"s3://{BUCKET}/daily",
        "BACKUP_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "emulator",
        "AWS_SECRET_ACCESS_KEY": "emulator",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PATH": f"{tools}:{path}",
    }


@contextmanager
def s3_emulator(scratch: Path) -> Iterator[str]:
    """Run an S3 emulator with one bucket for the block and yield its URL.

    Raises CloseoutError("emulator-missing") where it, or every tool to upload with, is missing.
    """
    program = _program("moto_server")
    if not (_program("rclone") or _program("aws")):
        raise _no_emulator("neither rclone nor aws is installed")
    if program is None:
        raise _no_emulator("moto_server is not installed")
    with socket.socket() as free:
        free.bind((postgres.HOST, 0))
        port = free.getsockname()[1]
    import httpx  # noqa: PLC0415 - slow to import, and only the bucket's probes ask one

    url = f"http://{postgres.HOST}:{port}"
    argv = [program, "-H", postgres.HOST, "-p", str(port)]
    with shell.running(argv, log=scratch / "s3-emulator.log"):
        limit = time.monotonic() + _START_SECONDS
        while time.monotonic() < limit:
            try:
                httpx.put(f"{url}/{BUCKET}", timeout=5.0).raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.2)
        else:
            raise _no_emulator("moto_server did not answer in time")
        yield url


def _program(name: str) -> str | None:
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.is_file() else shutil.which(name)


def _no_emulator(reason: str) -> CloseoutError:
    return CloseoutError(
        "emulator-missing", reason, hint="install requirements/emulators.txt, or rclone and moto."
    )
