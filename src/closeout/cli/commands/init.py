"""Give a monorepo its thin doors; a file that exists is kept and the difference shown."""

from __future__ import annotations

import argparse
import difflib
from pathlib import Path, PurePosixPath

import closeout
from closeout import resources
from closeout.console.output import give, say
from closeout.errors import ExitCode
from closeout.fs import transaction
from closeout.fs.tree import DiskTree
from closeout.model import Edit, Tree

_ENTRY = "init/pre-commit-entry.yaml.j2"
_HOOK = b"closeout-detect"
_HOOKS = ".pre-commit-config.yaml"
_FILES = {
    "tasks.py": "init/tasks.py.j2",
    "noxfile.py": "init/noxfile.py.j2",
    "closeout.toml": "init/closeout.toml.j2",
    ".closeout/.gitignore": "init/gitignore.j2",
    ".github/workflows/closeout.yml": "init/closeout.yml.j2",
    _HOOKS: "init/pre-commit-config.yaml.j2",
}
"""Files of a monorepo, and the templates they come from."""


def run(options: argparse.Namespace, home: Path) -> ExitCode:
    """Adopt the monorepo that `--root` names."""
    del home
    return adopt(options.root)


def adopt(root: str) -> ExitCode:
    """Write what `root` lacks: its doors, a hook, a workflow and a folder for reports.

    Returns GAPS_LEFT where an existing file differs from what would be written.
    """
    tree = DiskTree(Path(root))
    edits, differing = [], 0
    for name, template in _FILES.items():
        present = _present(tree, name)
        wanted = _wanted(name, template, present)
        if present is None:
            edits.append(Edit(path=PurePosixPath(name), before=None, after=wanted))
        elif present != wanted:
            differing += 1
            say(_difference(name, present, wanted))
    transaction.commit(tree.root, edits, purpose="init")
    for edit in edits:
        say(f"wrote {edit.path}")
    give("written", [str(edit.path) for edit in edits])
    give("kept", differing)
    if differing:
        say(f"hint: {differing} files exist and were kept; take over what you need by hand.")
        return ExitCode.GAPS_LEFT
    say("next: invoke fix.all --dry-run")
    return ExitCode.SETTLED


def _present(tree: Tree, name: str) -> bytes | None:
    """Return what stands at `name`, empty where something stands there that cannot be read."""
    content = tree.read(name)
    refused = {item.path for item in tree.unreadable()}
    return b"" if content is None and PurePosixPath(name) in refused else content


def _wanted(name: str, template: str, present: bytes | None) -> bytes:
    entry = resources.render(_ENTRY, {})
    if name == _HOOKS and present:
        return present if _HOOK in present else _with_entry(present, entry)
    values = {"version": closeout.__version__, "entry": entry.decode()}
    return resources.render(template, values)


def _with_entry(hooks: bytes, entry: bytes) -> bytes:
    """Return a pre-commit configuration with our entry at the end of its repositories."""
    lines = hooks.splitlines(keepends=True)
    begin = next((at for at, line in enumerate(lines) if line.startswith(b"repos:")), None)
    if begin is None:
        return hooks.rstrip(b"\n") + b"\n\nrepos:\n" + entry
    inside = [line for line in lines[begin + 1 :] if line.lstrip().startswith(b"- repo:")]
    margin = inside[0][: inside[0].index(b"-")] if inside else b"  "
    last = begin
    for at in range(begin + 1, len(lines)):
        if lines[at].strip() and not lines[at].startswith((b" ", b"\t", b"-", b"#")):
            break
        last = at if lines[at].strip() else last
    ours = [margin + line[2:] for line in entry.splitlines(keepends=True)]
    head = b"".join(lines[: last + 1])
    return head + (b"" if head.endswith(b"\n") else b"\n") + b"".join([*ours, *lines[last + 1 :]])


def _difference(name: str, present: bytes, wanted: bytes) -> str:
    lines = difflib.unified_diff(
        present.decode("utf-8", "replace").splitlines(),
        wanted.decode("utf-8", "replace").splitlines(),
        f"{name} (kept)",
        f"{name} (closeout)",
        lineterm="",
    )
    return "\n".join(lines)
