"""A gap that stands in no folder of ours is taken in, and does what ours do."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import closeout
from closeout.resources import BUNDLE
from tests.support.builders import write_files
from tests.support.monorepos import TASKS

EXAMPLE = BUNDLE / "docs" / "examples" / "plugin"
SOURCE = Path(closeout.__file__).parents[1]


def _wheel(folder: Path) -> Path:
    """Return a wheel of the example, as its pyproject.toml says, made without a build tool."""
    place = folder / "kept_notes-1.0.0-py3-none-any.whl"
    info = "kept_notes-1.0.0.dist-info"
    entry = (EXAMPLE / "pyproject.toml").read_text()
    assert 'entry-points."closeout.gaps"]\nkept-notes = "kept_notes:GAP"\n' in entry
    files = {
        "kept_notes.py": (EXAMPLE / "kept_notes.py").read_text(),
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: kept-notes\nVersion: 1.0.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[closeout.gaps]\nkept-notes = kept_notes:GAP\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(place, "w") as wheel:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(name, text)
    return place


def _installed(folder: Path) -> Path:
    target = folder / "site"
    words = ("install", "--quiet", "--no-index", "--no-deps", "--target", str(target))
    subprocess.run([sys.executable, "-m", "pip", *words, str(_wheel(folder))], check=True)
    return target


def _run(
    home: Path, *words: str, path: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    home.mkdir(exist_ok=True)
    (home / "tasks.py").write_text(TASKS)
    places = [str(SOURCE), *([str(path)] if path else [])]
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": os.pathsep.join(places),
            **environment,
        },
    )


def test_installed_plugin_is_in_every_command_report_and_completion(tmp_path: Path) -> None:
    """Its wheel is all there is to install; it is found, fixed and ruled on as ours are."""
    site, home = _installed(tmp_path), tmp_path / "home"
    root = write_files(tmp_path / "tree", {"a.note": b"LATER\n"})
    assert "fix.kept-notes" in _run(home, "invoke", "--list", path=site).stdout
    completed = _run(home, "invoke", "--complete", "--", "invoke fix.kept", path=site)
    assert "fix.kept-notes" in completed.stdout
    where = ("--root", str(root), "--json")
    found = json.loads(_run(home, "invoke", "detect.all", *where, path=site).stdout)
    assert [item["gap"] for item in found["result"]["places"]] == ["kept-notes"]
    fixed = _run(home, "invoke", "fix.kept-notes", *where, path=site)
    report = json.loads(fixed.stdout)["result"]["report"]
    assert (root / "a.note").read_bytes() == b"DONE\n"
    row = next(row for row in report["criteria"] if row["id"] == "notes.1")
    assert row["verdict"] == "CLOSED"
    assert report["gaps"][-1]["slug"] == "kept-notes"
    assert "kept-notes" not in _run(home, "invoke", "--list").stdout


def test_module_that_closeout_toml_names_is_taken_in(tmp_path: Path) -> None:
    """Of the monorepo that is worked in; another one that is only read runs none of its code."""
    home = tmp_path / "home"
    module = {"kept_notes.py": (EXAMPLE / "kept_notes.py").read_bytes()}
    site = write_files(tmp_path / "site", module)
    named = {"closeout.toml": b'plugins = ["kept_notes"]\n', "a.note": b"LATER\n"}
    root = write_files(tmp_path / "tree", named)
    there = _run(home, "invoke", "--list", path=site, CLOSEOUT_ROOT=str(root))
    assert "fix.kept-notes" in there.stdout
    assert "fix.kept-notes" not in _run(home, "invoke", "--list", path=site).stdout


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("raise RuntimeError('broken')\n", "RuntimeError: broken"),
        ("GAP = 1\n", "it is a int and no closeout.model.Gap"),
        ("from closeout.gaps.cors import GAP\n", "it does not bring the criteria 1.1, 1.2, 1.3"),
        ("", "has no attribute 'GAP'"),
    ],
)
def test_plugin_that_cannot_be_used_ends_every_command(
    tmp_path: Path, text: str, told: str
) -> None:
    """Left out in silence it would look as if nothing of its kind was open."""
    site = write_files(tmp_path / "site", {"my_gap.py": text.encode()})
    root = write_files(tmp_path / "tree", {"closeout.toml": b'plugins = ["my_gap"]\n'})
    ended = _run(tmp_path / "home", "invoke", "detect.all", path=site, CLOSEOUT_ROOT=str(root))
    assert ended.returncode == 2
    assert told in ended.stderr
