"""Copies of the reference monorepo, and homes to work on them from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import closeout
from closeout.cli.commands import fix
from closeout.fs import writer
from closeout.fs.tree import DiskTree
from closeout.gaps import GAPS
from closeout.runs.workspace import REFERENCE, Workspace

TASKS = (
    "from pathlib import Path\n"
    "from closeout.cli import namespace\n"
    "ns = namespace(Path(__file__).resolve().parent)\n"
)
MAKERS_TASKS = (
    "from pathlib import Path\n"
    "from closeout.cli import namespace\n"
    "from tools.collections import MAKERS\n"
    "ns = namespace(Path(__file__).resolve().parent, *MAKERS)\n"
)


def reference_copy(folder: Path) -> Path:
    """Write a copy of the reference monorepo into `folder` and return it."""
    folder.mkdir(parents=True)
    writer.copy_tree(DiskTree(REFERENCE), folder)
    return folder


def space_for(home: Path, root: Path) -> Workspace:
    """Return a workspace whose reports lie below `home`."""
    return Workspace(home=home, root=root, origin="test")


def invoke(
    home: Path, *words: str, tasks: str = TASKS, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `invoke` in `home` as a person would, with a `tasks.py` of its own."""
    home.mkdir(exist_ok=True)
    # What is tested is what is imported here, whichever checkout is installed.
    given = filter(None, [environment.get("PYTHONPATH", "")])
    ours = os.pathsep.join([str(Path(closeout.__file__).parents[1]), *given])
    (home / "tasks.py").write_text(tasks)
    return subprocess.run(
        [sys.executable, "-m", "invoke", *words],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), **environment, "PYTHONPATH": ours},
    )


def fixed_copy(home: Path) -> Path:
    """Return a fixed copy of the reference monorepo, without the runs that made it."""
    root = reference_copy(home / "farmiq")
    fix.fix(space_for(home, root), GAPS)
    return root
