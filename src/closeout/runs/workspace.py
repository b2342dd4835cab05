"""Say which monorepo a command works on, and make the working copy of the reference one."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from closeout.console import output
from closeout.errors import CloseoutError
from closeout.fs import recovery, tree, writer
from closeout.gaps import plugins
from closeout.resources import BUNDLE

REFERENCE = BUNDLE / "reference" / "farmiq"
"""The bundled reference monorepo, in its state before the order; it is never edited."""

_NAMED = "--root"
_MARKERS = ("cloud-layer", "edge-layer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A home, where reports and builds are kept, and the monorepo under judgement."""

    home: Path
    root: Path
    origin: str
    """Where the choice came from, in words for the first line printed."""

    @property
    def reports(self) -> Path:
        """Return the folder of all runs."""
        return self.home / "reports"

    @property
    def shown_reports(self) -> Path:
        """Return the folder of all runs as somebody in the monorepo or in the home names it."""
        inside = self.reports.is_relative_to(self.root)
        return self.reports.relative_to(self.root if inside else self.home)

    @property
    def cache(self) -> Path:
        """Return the folder for what sessions install and may use again."""
        return self.home / "build" / "cache"

    @property
    def told_root(self) -> Path | None:
        """Return what a further command has to be told as `--root`; None where nothing."""
        return self.root if self.origin == _NAMED else None

    @property
    def title(self) -> str:
        """Return the line that every command prints first."""
        return f"monorepo: {self.root} ({self.origin})"

    def announce(self) -> None:
        """Tell which monorepo the command works on, and first of all where it is half-written."""
        output.say(self.title)
        if why := recovery.cut_off(self.root):
            output.say(f"half-written: {why}")
        output.give("monorepo", {"root": str(self.root), "origin": self.origin})


def choose(home: Path, named: str | None) -> Workspace:
    """Return the workspace for `--root`, CLOSEOUT_ROOT, the current folder or the reference.

    Raises CloseoutError for a root that is missing, unsafe, unreadable or empty, and for a plugin
    that cannot be used.
    """
    plugins.assert_usable()
    asked = named or os.environ.get("CLOSEOUT_ROOT")
    if asked:
        root, origin = Path(asked), _NAMED if named else "CLOSEOUT_ROOT"
    elif any((Path.cwd() / marker).is_dir() for marker in _MARKERS):
        root, origin = Path.cwd(), "current folder"
    else:
        root, origin = _working_copy(home), "working copy of the bundled reference monorepo"
    opened = tree.DiskTree(root)
    if not opened.paths():
        raise CloseoutError(
            "root-empty",
            f"{root} holds no file.",
            hint="name the monorepo's top folder: --root DIR.",
        )
    return Workspace(home=home, root=opened.root, origin=origin)


def _working_copy(home: Path) -> Path:
    """Return `build/farmiq`, made anew where it is absent or from another reference."""
    copy, stamp = home / "build" / "farmiq", home / "build" / "farmiq.origin"
    digest = tree.digest(tree.DiskTree(REFERENCE))
    if copy.is_dir() and stamp.is_file() and stamp.read_text() == digest:
        return copy
    copy.parent.mkdir(parents=True, exist_ok=True)
    if copy.exists():
        shutil.rmtree(copy)
    fresh = Path(tempfile.mkdtemp(prefix=".farmiq-", dir=copy.parent))
    writer.copy_tree(tree.DiskTree(REFERENCE), fresh)
    fresh.chmod(0o755)
    fresh.rename(copy)
    writer.durable_write(stamp, digest.encode())
    return copy
