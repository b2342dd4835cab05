"""Give a monorepo its thin doors; a file that exists is kept and the difference shown."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from closeout import resources
from closeout.console.layout import counted
from closeout.console.output import give, say
from closeout.engine import planner, subjects
from closeout.engine.patch_series import PreparedSet
from closeout.errors import CloseoutError, ExitCode
from closeout.formats.declarations import FILE, declarations
from closeout.formats.tree_names import namespace, project
from closeout.fs import transaction
from closeout.fs.tree import DiskTree, MemoryTree
from closeout.gaps import GAPS
from closeout.model import Edit, Tree

_ENTRY = "init/pre-commit-entry.yaml.j2"
_HOOK = b"closeout-detect"
_HOOKS = ".pre-commit-config.yaml"
_WORKFLOW = ".github/workflows/closeout.yml"
_INSTALLABLE = re.compile(r"[A-Za-z0-9@:/._+=~#&-]*")
_CLOSEOUT = re.compile(r'^  CLOSEOUT: "(.*)"$', re.MULTILINE)
_FILES = {
    "tasks.py": "init/tasks.py.j2",
    "noxfile.py": "init/noxfile.py.j2",
    FILE: "init/closeout.toml.j2",
    _WORKFLOW: "init/closeout.yml.j2",
    _HOOKS: "init/pre-commit-config.yaml.j2",
}
"""Files of a monorepo, and the templates they come from."""


def run(options: argparse.Namespace, home: Path) -> ExitCode:
    """Adopt the monorepo that `--root` names."""
    del home
    return adopt(options.root, options.install)


def adopt(root: str, install: str = "") -> ExitCode:
    """Write what `root` lacks: its doors, a hook and, where `install` is given, a workflow.

    `install` is what the workflow installs: a wheel's path, a git address or a name on an index.
    Returns GAPS_LEFT where an existing file differs from what would be written.
    """
    if not _INSTALLABLE.fullmatch(install):
        raise CloseoutError(
            "install-unusable",
            f"{install!r} is nothing that pip can be told to install.",
            hint="name a wheel's path, git+https://ADDRESS, or NAME==VERSION.",
        )
    tree = DiskTree(Path(root))
    proposal = _proposal(tree)
    proposal["install"] = install or _installed(_present(tree, _WORKFLOW))
    edits, differing = [], 0
    for name, template in _FILES.items():
        present = _present(tree, name)
        if name == _WORKFLOW and present is None and not install:
            continue  # it would be red until somebody says what it installs
        wanted = _wanted(name, template, present, proposal)
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
    if not install and _present(tree, _WORKFLOW) is None:
        say("no workflow: `closeout init --install WHAT` writes one that installs it from WHAT")
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


def _proposal(tree: Tree) -> dict[str, object]:
    """Return what is read off the tree, and say what each gap would touch."""
    if not _is_usable(tree):
        say(f"{FILE} cannot be used as it is; what is proposed leaves it out")
        return {"gaps": [gap.slug for gap in GAPS], "project": "shop", "namespace": "shop"}
    nothing = PreparedSet(patches=(), withheld=())
    planned = planner.plan(GAPS, tree, lambda _: nothing)
    beside = subjects.absent_of(GAPS, tree)
    applying = []
    for gap, proposal in zip(GAPS, planned.proposals, strict=True):
        if beside.keys() >= set(gap.criteria):
            reasons = dict.fromkeys(beside[number].because for number in gap.criteria)
            say(f"{gap.slug}: does not apply, {'; '.join(reasons)}")
            continue
        applying.append(gap.slug)
        paths = ", ".join(str(edit.path) for edit in proposal.edits)
        count = counted(len(proposal.edits), "file")
        say(f"{gap.slug}: would touch {count}{': ' if paths else ''}{paths}")
    return {"gaps": applying, "project": project(tree), "namespace": namespace(tree)}


def _installed(workflow: bytes | None) -> str:
    """Return what a workflow that is there installs."""
    found = _CLOSEOUT.search((workflow or b"").decode("utf-8", "replace"))
    return found[1] if found and _INSTALLABLE.fullmatch(found[1]) else ""


def _is_usable(tree: Tree) -> bool:
    try:
        declarations(tree)
    except CloseoutError:
        return False
    return True


def _wanted(
    name: str, template: str, present: bytes | None, proposal: Mapping[str, object]
) -> bytes:
    entry = resources.render(_ENTRY, {})
    if name == _HOOKS and present:
        return present if _HOOK in present else _with_entry(present, entry)
    if name == FILE and present and _is_usable(MemoryTree({FILE: present})):
        return present  # its owner's own words, which nobody has to take over twice
    return resources.render(template, {**proposal, "entry": entry.decode()})


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
