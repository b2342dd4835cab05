"""The wheel carries all that the commands read, byte for byte."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[2]
CARRIED = ("patches", "templates", "suites", "reference", "requirements", "scripts")
_LEFT = frozenset(["__pycache__", "node_modules", ".pytest_cache", "coverage"])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Return the wheel that the project builds, without an index."""
    folder = tmp_path_factory.mktemp("wheel")
    words = "wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir"
    subprocess.run(
        [sys.executable, "-m", "pip", *words.split(), folder, HOME], check=True, timeout=120
    )
    (built,) = folder.glob("closeout-*.whl")
    return zipfile.ZipFile(built)


def _files(*folders: str) -> dict[str, bytes]:
    """Return the project's files in some folders, by path, without what running leaves there."""
    return {
        place.relative_to(HOME).as_posix(): place.read_bytes()
        for folder in folders
        for place in sorted((HOME / folder).rglob("*"))
        if place.is_file() and not _LEFT.intersection(place.relative_to(HOME).parts)
    }


def test_wheel_carries_every_file_of_the_bundle_as_it_is(wheel: zipfile.ZipFile) -> None:
    """Prepared patches, templates, suites, pins, scripts and the reference monorepo."""
    wanted = {f"closeout/_bundle/{path}": body for path, body in _files(*CARRIED).items()}
    for folder in CARRIED:
        assert any(path.startswith(f"closeout/_bundle/{folder}/") for path in wanted), folder
    names = [name for name in wheel.namelist() if name.startswith("closeout/_bundle/")]
    assert {name: wheel.read(name) for name in names if name in wanted} == wanted


def test_wheel_carries_the_package_and_its_data(wheel: zipfile.ZipFile) -> None:
    """Schemas, the drift cases and the Node launcher lie beside the modules that read them."""
    wanted = {path.removeprefix("src/") for path in _files("src/closeout")}
    names = {name for name in wheel.namelist() if name.startswith("closeout/")}
    assert wanted <= names
    for name in ("formats/schemas/report.schema.json", "harness/launchers/node.cjs"):
        assert f"closeout/{name}" in wanted


def test_wheel_knows_its_command(wheel: zipfile.ZipFile) -> None:
    """`closeout` starts the door that `python -m closeout` starts."""
    (points,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "closeout = closeout.cli.parser:main" in wheel.read(points).decode()
