"""Give a monorepo its thin doors; a file that exists is kept and the difference shown."""

from __future__ import annotations

import difflib
from pathlib import Path, PurePosixPath

from closeout import rendering, writer
from closeout.errors import ExitCode
from closeout.model import Edit
from closeout.telling import give, say
from closeout.tree import DiskTree

_FILES = ("tasks.py", "noxfile.py", "closeout.toml")


def adopt(root: str) -> ExitCode:
    """Write the missing ones of `tasks.py`, `noxfile.py` and `closeout.toml` below `root`.

    Returns GAPS_LEFT where an existing file differs from what would be written.
    """
    tree = DiskTree(Path(root))
    edits, differing = [], 0
    for name in _FILES:
        wanted = rendering.render(f"init/{name}.j2", {})
        present = tree.read(name)
        if present is None:
            edits.append(Edit(path=PurePosixPath(name), before=None, after=wanted))
        elif present != wanted:
            differing += 1
            say(_difference(name, present, wanted))
    writer.assert_writable(tree.root, edits)
    writer.commit(tree.root, edits)
    for edit in edits:
        say(f"wrote {edit.path}")
    give("written", [str(edit.path) for edit in edits])
    give("kept", differing)
    if differing:
        say(f"hint: {differing} files exist and were kept; take over what you need by hand.")
        return ExitCode.GAPS_LEFT
    say("next: invoke fix.all --dry-run")
    return ExitCode.SETTLED


def _difference(name: str, present: bytes, wanted: bytes) -> str:
    lines = difflib.unified_diff(
        present.decode("utf-8", "replace").splitlines(),
        wanted.decode().splitlines(),
        f"{name} (kept)",
        f"{name} (closeout)",
        lineterm="",
    )
    return "\n".join(lines)
