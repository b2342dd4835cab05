"""A package index in a folder: every pin as a small wheel, and newer releases of each.

One of them fits even where a package asks for less than the next version.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.pinfiles import Pin, pins

_NEWEST = "99999.0"
_HASHES = re.compile(r"( \\\n    --hash=sha256:[0-9a-f]{64})+")
_EXTRA = re.compile(r"""extra == ['"]([^'"]+)['"]""")
_BACKEND = """import pathlib, shutil
def build_wheel(folder, settings=None, metadata=None):
    (wheel,) = pathlib.Path().glob("*.whl")
    shutil.copy(wheel, folder)
    return wheel.name
"""
_PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def build(folder: Path, files: Sequence[Path], needs: Mapping[str, Sequence[str]]) -> None:
    """Fill `folder`, a simple index, with what `files` pin and with what came after it."""
    for key in sorted({pin.key for file in files for pin in pins(file)}):
        name, _, version = key.partition("==")
        (folder / name).mkdir(exist_ok=True)
        for each in (version, f"{version.partition('.post')[0]}.post999", _NEWEST):
            wheel = folder / name / f"{name.replace('-', '_')}-{each}-py3-none-any.whl"
            wheel.write_bytes(_wheel(name, each, needs[key]))
    for name in {name for file in files for name in _sources(file)}:
        for wheel in list((folder / name).iterdir()):
            _sdist(wheel)
            wheel.unlink()
    for place in folder.iterdir():
        links = [f'<a href="{file.name}">{file.name}</a>' for file in sorted(place.iterdir())]
        page = "<!DOCTYPE html>\n<html><body>" + "\n".join(links) + "</body></html>\n"
        (place / "index.html").write_text(page)


def rewritten(file: Path, folder: Path) -> str:
    """Return a pin file's text with the hashes of the wheels in `folder` in place of its own."""
    text = file.read_text(encoding="utf-8")
    found = _HASHES.sub(" \\\\\n    --hash=sha256:HASH", text)
    for pin in pins(file):
        found = found.replace("HASH", _digest(folder, pin), 1)
    assert "HASH" not in found
    return found


def _digest(folder: Path, pin: Pin) -> str:
    (place,) = (folder / pin.name).glob(f"*-{pin.version}[-.][pt][ya]*")
    return hashlib.sha256(place.read_bytes()).hexdigest()


def _sources(file: Path) -> list[str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return [line.split()[1] for line in lines if line.startswith("--no-binary")]


def _wheel(name: str, version: str, needs: Sequence[str]) -> bytes:
    extras = sorted({extra for line in needs for extra in _EXTRA.findall(line)})
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += [f"Provides-Extra: {extra}" for extra in extras]
    metadata += [f"Requires-Dist: {line}" for line in needs]
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr(f"{info}/METADATA", "\n".join(metadata) + "\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", f"{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return body.getvalue()


def _sdist(wheel: Path) -> None:
    """Put beside a wheel the source release whose build gives it."""
    top = "-".join(wheel.name.split("-")[:2])
    name, version = top.split("-")
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    inside = {
        "PKG-INFO": metadata.encode(),
        "pyproject.toml": _PROJECT.encode(),
        "backend.py": _BACKEND.encode(),
        wheel.name: wheel.read_bytes(),
    }
    with tarfile.open(wheel.parent / f"{top}.tar.gz", "w:gz") as archive:
        for path, content in inside.items():
            member = tarfile.TarInfo(f"{top}/{path}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
