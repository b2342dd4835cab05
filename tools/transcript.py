"""Play commands on copies of two trees as a person types them, and keep what they print as a page.

The page is read by people, and held to by a test: whoever changes an output makes it anew and
reads what moved.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import closeout
from closeout.console.output import give, say
from closeout.errors import CloseoutError, ExitCode
from closeout.fs import writer
from closeout.fs.tree import DiskTree
from closeout.runs.workspace import REFERENCE

PAGE = Path("docs/transcript.md")
_PROGRAMS = ("git", "bash", "sh")
"""All that a step finds on its path: the page is the same whatever else a machine has."""
_DEADLINE = 600
_TASKS = (
    "from pathlib import Path\n"
    "from closeout.cli import namespace\n"
    "ns = namespace(Path(__file__).resolve().parent)\n"
)
_HEAD = """# Transcript

Generated: `python -m tools transcript` plays these commands on copies of two trees, and a test
holds every line to what they print. A run's id stands as `RUN`, seconds as `N s`, the folder that
holds both trees as `~`; there was no program but git and a shell.

`nox -s coverage_gates live_probes dbt -- --root farmiq` would follow `fix.all` and settle what it
names; [Your first close-out](first-close-out.md) goes that way.
"""
_FARMIQ = (
    "The bundled monorepo",
    (
        "detect.all --root farmiq --only cors,rate-limit,sql",
        "fix.sql --root farmiq --diff",
        "fix.sql --root farmiq",
        "fix.all --root farmiq",
        "secrets.verify --root farmiq",
        "report.build --root farmiq --strict",
        "report.verify --root farmiq",
        "audit.all --root farmiq --quick",
        "secrets.inventory --root farmiq --quiet",
        "certs.dev --root farmiq --dry-run",
        "certs.check --root farmiq",
        "fix.undo --root farmiq",
        "fix.corss --root farmiq",
    ),
)
_SHOP = (
    "A small shop that no order was written for",
    (
        "detect.all --root shop",
        "fix.all --root shop --dry-run",
        "fix.external-secrets --root shop --diff",
        "fix.headers --root shop",
        "fix.all --root shop",
        "report.build --root shop --strict",
        "report.verify --root shop",
        "audit.all --root shop --quick",
        "secrets.inventory --root shop",
        "secrets.verify --root shop",
        "dbt.compile --root shop",
        "fix.undo --root shop",
    ),
)


def make(home: Path, shop: Mapping[str, bytes]) -> ExitCode:
    """Write the page below `home`; `shop` are the files of the second tree."""
    writer.durable_write(home / PAGE, played(shop).encode())
    say(f"wrote {PAGE}")
    give("written", [str(PAGE)])
    return ExitCode.SETTLED


def played(shop: Mapping[str, bytes]) -> str:
    """Return the page."""
    with tempfile.TemporaryDirectory(prefix="closeout-transcript-") as made:
        folder = Path(made).resolve()
        (folder / "tasks.py").write_text(_TASKS)
        (folder / "farmiq").mkdir()
        writer.copy_tree(DiskTree(REFERENCE), folder / "farmiq")
        for name, content in shop.items():
            place = folder / "shop" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        _link_programs(folder / "bin")
        parts = [_part(folder, title, steps) for title, steps in (_FARMIQ, _SHOP)]
    return "\n".join([_HEAD, *parts])


def _link_programs(folder: Path) -> None:
    folder.mkdir()
    for name in _PROGRAMS:
        found = shutil.which(name)
        if found is None:
            raise CloseoutError(
                "program-missing", f"{name} is not on the path.", hint=f"install {name}."
            )
        (folder / name).symlink_to(found)


def _part(folder: Path, title: str, steps: Sequence[str]) -> str:
    blocks = [f"```console\n{_step(folder, words)}\n```\n" for words in steps]
    return "\n".join([f"## {title}", "", *blocks])


def _step(folder: Path, words: str) -> str:
    """Return a command, what it prints on either stream, and the code that it leaves with."""
    done = subprocess.run(
        [sys.executable, "-m", "invoke", *words.split()],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_DEADLINE,
        check=False,
        env={
            "PATH": str(folder / "bin"),
            "HOME": str(folder),
            "PYTHONPATH": str(Path(closeout.__file__).parents[1]),
        },
    )
    shown = "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())
    return f"$ invoke {words}\n{_settled(shown, folder)}$ echo $?\n{done.returncode}"


def _settled(shown: str, folder: Path) -> str:
    """Return what was printed with what differs from run to run as a word."""
    shown = shown.replace(str(folder), "~")
    shown = re.sub(r"\d{8}T\d{6}\.\d{6}Z-([a-z]+)-[0-9a-f]{4}", r"RUN-\1", shown)
    return re.sub(r", \d+ s$", ", N s", shown, flags=re.MULTILINE)
