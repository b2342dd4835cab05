"""Pin files do not age: newer releases on the index change nothing, with the oldest pip too."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.version import Version

from tests.support import package_index
from tests.support.installer import copy_installer
from tools import pinfiles

HOME = Path(__file__).resolve().parents[2]
FOLDER = HOME / "requirements"
FILES = sorted(FOLDER.glob("*.txt"))
WORKFLOWS = (HOME / "templates/init/closeout.yml.j2", HOME / "docs/ci/closeout.yml")
MENDED = Version("24.0")
_COMMAND = re.compile(r"^ *(python -m closeout\.harness\.environments .+)$", re.MULTILINE)
_LIST = """import importlib.metadata as m, json
print(json.dumps({d.metadata["Name"]: d.version for d in m.distributions()}))"""
_OLD_PIPS = [place for place in os.environ.get("CLOSEOUT_OLD_PIPS", "").split(os.pathsep) if place]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a simple index in which every pinned package has a newer release."""
    folder = tmp_path_factory.mktemp("index")
    package_index.build(folder, FILES, pinfiles.read_needs(FOLDER))
    return folder


@pytest.fixture(scope="module", params=range(2), ids=["oldest", "debian"])
def adopted(
    request: pytest.FixtureRequest, index: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return an environment that holds an old pip and closeout as its wheel lays it out."""
    old = Path(_OLD_PIPS[request.param])
    folder = tmp_path_factory.mktemp("adopted") / "env"
    venv.create(folder, with_pip=False, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    (source,) = old.parents[1].glob("lib/python*/site-packages")
    for place in source.glob("pip*"):
        shutil.copytree(place, packages / place.name)
    bundled = packages / "closeout" / "_bundle" / "requirements"
    bundled.mkdir(parents=True)
    copy_installer(packages / "closeout")
    for file in FILES:
        (bundled / file.name).write_text(package_index.rewritten(file, index))
    return folder


def _run(folder: Path, index: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [folder / "bin" / "python", *words],
        env={
            "PATH": os.defpath,
            "HOME": str(folder),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": index.as_uri(),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def _expected(*names: str) -> dict[str, str]:
    return {
        pin.name: pin.version
        for name in names
        for pin in pinfiles.pins(FOLDER / name)
        if not pin.marker or Marker(pin.marker).evaluate()
    }


def _copy(adopted: Path, tmp_path: Path) -> Path:
    return shutil.copytree(adopted, tmp_path / "env", symlinks=True)


def _installed(folder: Path, index: Path) -> dict[str, str]:
    found = json.loads(_run(folder, index, "-c", _LIST).stdout)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found.items()}


@pytest.mark.needs("old-pips")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_pin_file_installs_exactly_its_pins_when_all_have_newer_releases(
    adopted: Path, index: Path, tmp_path: Path, file: Path
) -> None:
    """The command of workflows, sessions and bootstrap.py gives the pins and nothing newer."""
    folder = _copy(adopted, tmp_path)
    before = _installed(folder, index)

    done = _run(folder, index, "-m", "closeout.harness.environments", f"requirements/{file.name}")

    assert done.returncode == 0, done.stderr
    builders = ("build.txt",) if "--no-binary" in file.read_text() else ()
    assert _installed(folder, index) == {**before, **_expected(file.name, *builders)}


@pytest.mark.needs("old-pips")
@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda place: place.parent.name)
def test_workflow_installs_exactly_the_pins_when_all_have_newer_releases(
    adopted: Path, index: Path, tmp_path: Path, workflow: Path
) -> None:
    """Every command of an adopted repository's workflow that installs pins."""
    commands = sorted(set(_COMMAND.findall(workflow.read_text())))
    assert commands
    assert "--require-hashes" not in workflow.read_text()
    for number, command in enumerate(commands):
        folder = _copy(adopted, tmp_path / str(number))
        words = command.split()[1:]

        done = _run(folder, index, *words)

        assert done.returncode == 0, done.stderr
        wanted = _expected(*(word.rpartition("/")[2] for word in words[2:]))
        assert wanted.items() <= _installed(folder, index).items()


@pytest.mark.needs("old-pips")
@pytest.mark.parametrize("name", ["closeout.txt", "dbt.txt"])
def test_resolving_install_is_refused_when_all_have_newer_releases(
    adopted: Path, index: Path, tmp_path: Path, name: str
) -> None:
    """The index shows the fault: pip as it was called before refuses these very files.

    pip 24.0, the oldest that Python 3.12 and later are given here, has it mended.
    """
    folder = _copy(adopted, tmp_path)
    before = _installed(folder, index)
    (bundled,) = folder.glob(f"lib/python*/site-packages/closeout/_bundle/requirements/{name}")

    done = _run(folder, index, "-m", "pip", "install", "--require-hashes", "-r", str(bundled))

    if Version(before["pip"]) < MENDED:
        assert done.returncode != 0
        assert "all requirements must have their versions pinned" in done.stderr
    else:
        assert _installed(folder, index) == {**before, **_expected(name)}
