"""Take secrets out of what is no application code: pipelines, scripts and files of connections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice, splice
from closeout.fs.tree import Overlay
from closeout.gaps.external_secrets.inventory.pages import SUFFIXES, prefilled
from closeout.gaps.external_secrets.remedies import connections, pipelines, powershell, shell
from closeout.gaps.external_secrets.remedies.known import KnownVariables
from closeout.model import Edit

_YAML = frozenset({".yml", ".yaml"})


def taken_out(
    paths: Iterable[PurePosixPath], known: KnownVariables
) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield each of the files, and of those that use them, that is another one afterwards.

    A file may be mended for itself and for what it uses: each works on what the others left.
    """
    stage = Overlay(known.tree)
    laid = replace(known, tree=stage)
    for path in paths:
        for where, after in _mended(path, stage.read(path) or b"", laid).items():
            before = stage.read(where)
            if after != (before or b""):
                stage.lay(Edit(path=where, before=before, after=after))
    for edit in stage.edits:
        yield edit.path, edit.left or b""


def _mended(
    path: PurePosixPath, content: bytes, known: KnownVariables
) -> dict[PurePosixPath, bytes]:
    if path.suffix in powershell.SUFFIXES:
        return powershell.mended(path, content, known)
    if path.suffix in SUFFIXES:
        return {path: _unfilled(content)}
    if path.suffix in shell.SUFFIXES:
        return {path: shell.mended(path, content, known)}
    if pipelines.pipelines(path, content) is not None:
        return {path: pipelines.mended(path, content)}
    if path.suffix in _YAML:
        return {path: connections.mended(path, content, known)}
    return {}


def _unfilled(content: bytes) -> bytes:
    """Return the page with its forms' passwords blank: who signs in types one."""
    spans = [match.span("value") for match in prefilled(content)]
    return splice(content, [Splice(start=start, end=end, text="") for start, end in spans])
