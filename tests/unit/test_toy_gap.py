"""An eleventh gap is added by the steps of CONTRIBUTING.md alone: data, a folder, one tuple."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import closeout
from closeout.resources import BUNDLE
from tests.support.builders import write_files
from tests.support.monorepos import TASKS

PACKAGE = Path(closeout.__file__).parent
CRITERION = "11.1"
BOX = f"""[[criterion]]
id = "{CRITERION}"
line = "{"0" * 64}"
text = "No note keeps a word for later."
means = "static"
settled-by = "invoke detect.all"
rules = ["kept-word/kept"]

"""
GAP = {
    "__init__.py": '''"""Notes: a word was kept for later.

Problem. A note says LATER. Before: `LATER`. After: `DONE`.
"""

from closeout.gaps.kept_word.fix import fix
from closeout.gaps.kept_word.rules import RULES
from closeout.model import Gap

GAP = Gap(
    slug="kept-word",
    issue=11,
    title="Words kept for later",
    priority="P2",
    criteria=("11.1",),
    rules=RULES,
    fix=fix,
    guide=__doc__,
)
''',
    "rules.py": '''"""No note keeps a word for later."""

from closeout.gaps.kept_word.detect import notes
from closeout.model import Located, Place, Rule, Tree


def _kept(tree: Tree) -> Located:
    found = notes(tree)
    places = (
        Place(path=path, line=number)
        for path, content in found.items()
        for number, line in enumerate(content.splitlines(), start=1)
        if line == b"LATER"
    )
    return Located(examined=tuple(found), places=tuple(places))


RULES = (Rule(id="kept", criterion="11.1", locate=_kept, message="a word is kept for later"),)
''',
    "detect.py": '''"""Find notes."""

from pathlib import PurePosixPath

from closeout.model import Tree


def notes(tree: Tree) -> dict[PurePosixPath, bytes]:
    """Return every note with its bytes."""
    return {path: tree.read(path) or b"" for path in tree.paths() if path.suffix == ".note"}
''',
    "fix.py": '''"""Say the word."""

from closeout.gaps.kept_word.detect import notes
from closeout.model import Changeset, Edit, Tree


def fix(tree: Tree) -> tuple[Changeset, ...]:
    """Return a changeset a note that is open."""
    return tuple(
        Changeset(
            name=path.stem,
            edits=(Edit(path=path, before=content, after=content.replace(b"LATER", b"DONE")),),
        )
        for path, content in notes(tree).items()
        if b"LATER" in content.splitlines()
    )
''',
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home whose closeout has the eleventh gap."""
    source = tmp_path / "src" / "closeout"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("patches", "templates", "suites", "scripts", "reference", "requirements"):
        (tmp_path / name).symlink_to(BUNDLE / name, target_is_directory=True)
    order = source / "workorders" / "orders" / "WO-004.toml"
    text = order.read_text()
    first = '[[criterion]]\nid = "1.1"\n'
    issues = "\ncors = 1\n"
    assert text.count(first) == text.count(issues) == 1
    text = text.replace(first, BOX + first)
    order.write_text(text.replace(issues, issues + "kept-word = 11\n"))
    write_files(source / "gaps" / "kept_word", {name: it.encode() for name, it in GAP.items()})
    gaps = source / "gaps" / "__init__.py"
    line = "from closeout.gaps.kept_word import GAP as KEPT_WORD\n"
    text = gaps.read_text().replace("from closeout.model", f"{line}from closeout.model", 1)
    gaps.write_text(
        text.replace("GAPS: tuple[Gap, ...] = (", "GAPS: tuple[Gap, ...] = (KEPT_WORD,")
    )
    (tmp_path / "tasks.py").write_text(TASKS)
    return tmp_path


def _invoke(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "invoke", *words],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(home / "src")},
    )


def test_eleventh_gap_is_found_mended_and_ruled_on(home: Path, tmp_path: Path) -> None:
    """Nothing but its folder, the tuple and the order's data knows of it, and all commands do."""
    root = write_files(tmp_path / "tree", {"a.note": b"LATER\nkeep LATER\n", "b.note": b"DONE\n"})
    listed = _invoke(home, "--list").stdout
    assert "fix.kept-word" in listed
    assert "Words kept for later" in listed
    found = json.loads(_invoke(home, "detect.all", "--root", str(root), "--json").stdout)
    mine = [item for item in found["result"]["places"] if item["gap"] == "kept-word"]
    assert [(item["path"], item["line"], item["message"], item["excerpt"]) for item in mine] == [
        ("a.note", 1, "a word is kept for later", "LATER")
    ]
    fixed = json.loads(_invoke(home, "fix.kept-word", "--root", str(root), "--json").stdout)
    assert (root / "a.note").read_bytes() == b"DONE\nkeep DONE\n"
    rulings = {row["id"]: row["verdict"] for row in fixed["result"]["report"]["criteria"]}
    assert rulings[CRITERION] == "CLOSED"
    assert _invoke(home, "fix.undo", "--root", str(root)).returncode == 0
    assert (root / "a.note").read_bytes() == b"LATER\nkeep LATER\n"
