"""Tell what else of the tree speaks of a broker as it was: scripts for certificates, guides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from closeout.fs.prefilter import question
from closeout.fs.text_edit import line_number
from closeout.model import Reason, Tree, Unresolved

_MAKES = question(
    (".sh", ".bash", ".ps1", ".psm1", ".bat", ".cmd"),
    lambda content: b"openssl" in content and b"certs" in content,
    lambda path: "node_modules" not in path.parts,
)
_GUIDES = frozenset({".md"})
_PLAIN = re.compile(rb"(?<![\w.])1883\b")
_LAYOUT = re.compile(rb"certs[/\\]+(?:authority|broker|clients)\b")


def makers(tree: Tree, folders: Iterable[PurePosixPath]) -> Iterator[Unresolved]:
    """Yield the scripts that write into the `certs` of a broker's folder as it was before."""
    brokers = sorted(set(folders))
    for path in tree.candidates(_MAKES) if brokers else ():
        content = tree.read(path) or b""
        for folder in brokers:
            name = re.escape(folder.name.encode())
            inside = rb"\bcerts\b" if path.is_relative_to(folder) else name + rb"[/\\]+certs\b"
            found = re.search(inside, content)
            if found is None or _LAYOUT.search(content):
                continue
            yield Unresolved(
                path=path,
                reason=Reason.AMBIGUOUS,
                line=line_number(content, found.start()),
                detail=f"makes certificates in {folder}/certs; the broker reads certs/broker",
                hint=f"write as {folder}/certs/README.md says there, or use invoke certs.dev.",
            )
            break


def guides(tree: Tree, folders: Iterable[PurePosixPath]) -> Iterator[Unresolved]:
    """Yield the guides beside a cluster's manifests that send their readers to plaintext."""
    beside = frozenset(folders)
    for path in tree.ending(_GUIDES) if beside else ():
        content = (tree.read(path) or b"") if path.parent in beside else b""
        found = _PLAIN.search(content)
        if found is not None:
            yield Unresolved(
                path=path,
                reason=Reason.AMBIGUOUS,
                line=line_number(content, found.start()),
                detail="names port 1883, which the broker beside it serves no more",
                hint="name port 8883, certificate.yaml, and cert-manager, which that needs.",
            )
