"""Lint names the file and the package where a pin file is not whole or does not fit its `.in`."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tools import pinfiles, pins
from tools.pinfiles import Pin

FOLDER = Path(__file__).resolve().parents[2] / "requirements"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the project's pin files."""
    return shutil.copytree(FOLDER, tmp_path / "requirements")


def test_pin_files_of_the_project_are_whole() -> None:
    """For each Python from 3.11 to 3.14, on each machine."""
    assert list(pinfiles.faults(FOLDER)) == []


@pytest.mark.parametrize(
    ("file", "name", "asker"),
    [
        ("closeout.txt", "h11", "httpcore 1.0.9"),
        ("dbt.txt", "msgpack", "mashumaro 3.14"),
        ("vision.txt", "coverage", "pytest-cov 7.1.0"),
        ("sslyze.txt", "nassl", "sslyze 6.3.1"),
    ],
)
def test_missing_pin_is_named_with_who_asks_for_it(
    folder: Path, file: str, name: str, asker: str
) -> None:
    """Also one that is asked for by an extra, and by a package that exists as source only."""
    place = folder / file
    entry = re.compile(rf"^{name}==.*\n(?:    .*\n)+", re.MULTILINE)
    place.write_text(entry.sub("", place.read_text()))

    assert f"{file}: {name} is missing, and {asker} asks for it" in list(pinfiles.faults(folder))


@pytest.mark.parametrize(
    ("file", "added", "fault"),
    [
        ("lint.in", "ruff<0.1", "lint.txt: lint.in asks for ruff<0.1, and 0.17.6 is pinned"),
        ("lint.in", "invoke", "lint.txt: invoke is missing, and lint.in asks for it"),
        ("docs.txt", "invoke==3.0.3", "docs.txt: nothing asks for invoke 3.0.3"),
        ("docs.txt", "invoke==3.0.2", "docs.txt: nothing is known of invoke==3.0.2"),
        ("other.txt", "invoke==3.0.3", "other.txt has no other.in"),
        ("other.in", "invoke", "other.in is not compiled into other.txt"),
        ("lint.txt", "jinja2==3.0.0", "lint.txt: jinja2 3.0.0 is pinned, 3.1.6 in closeout.txt"),
    ],
)
def test_file_that_does_not_fit_its_in_file_is_named(
    folder: Path, file: str, added: str, fault: str
) -> None:
    """A requirement without its pin, a pin without a reason, and a file without its other half."""
    with (folder / file).open("a") as stream:
        stream.write(f"{added}\n")

    assert fault in list(pinfiles.faults(folder))


def test_moves_say_old_and_new_version_a_line_a_package() -> None:
    """What is unchanged is not told."""
    same = Pin(name="same", version="1", marker="")
    before = (
        same,
        Pin(name="moved", version="1", marker=""),
        Pin(name="old", version="1", marker=""),
    )
    after = (same, Pin(name="moved", version="2", marker="os_name == 'nt'"))

    assert list(pins.moves(before, after)) == [
        "moved 1 -> 2 (os_name == 'nt')",
        "old 1 -> absent",
    ]
