"""Say when a report was made, by whom, and from which commit of the tree's repository."""

from __future__ import annotations

import getpass
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from closeout import process
from closeout.model import Tree

_DEADLINE = 20.0
_FACTS_OF_A_FILE = 3
_AS_IT_IS = ("-c", "safe.directory=*", "-c", "core.fsmonitor=false")
"""Read as they are, whoever owns them; nothing that the repository names is started."""


def made(root: Path, tree: Tree) -> Mapping[str, str]:
    """Return `at`, `by`, and where `root` is part of a git repository its `commit` and `state`."""
    found = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "by": _person()}
    commit = _git(root, "rev-parse", "--verify", "--quiet", "HEAD").strip()
    kept = _kept(root) if commit else {}
    if kept:
        found["commit"] = commit
        changed = sum(_object(tree.read(path) or b"") != digest for path, digest in kept.items())
        found["state"] = (
            f"{changed} of {len(kept)} files differ from it" if changed else "unchanged"
        )
    return {name: text for name, text in found.items() if text}


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in a bare container
        return ""


def _kept(root: Path) -> dict[str, str]:
    """Return the files of the commit below `root`, each with the digest of its content.

    Git is not asked what differs: it would start the filters that the repository names.
    """
    tops = _git(root, "ls-tree", "-z", "--name-only", "HEAD").split("\0")
    told = [_git(root, "ls-tree", "-r", "-z", "HEAD", "--", top) for top in tops if top]
    rows = (row.partition("\t") for each in told for row in each.split("\0"))
    # Links and modules are no files of the tree, and a row may be cut where there are too many.
    return {
        path: facts.split()[2]
        for facts, _, path in rows
        if facts.startswith("100") and len(facts.split()) == _FACTS_OF_A_FILE
    }


def _object(content: bytes) -> str:
    head = b"blob %d\0" % len(content)
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()


def _git(root: Path, *words: str) -> str:
    result = process.run(["git", *_AS_IT_IS, "-C", str(root), *words], deadline=_DEADLINE)
    return result.out if result.ok else ""
