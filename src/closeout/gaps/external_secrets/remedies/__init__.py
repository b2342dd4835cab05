"""Take secrets out of what is no application code: pipelines, scripts and files of connections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from closeout.gaps.external_secrets.inventory.pages import SUFFIXES
from closeout.gaps.external_secrets.remedies import (
    connections,
    pages,
    pipelines,
    powershell,
    shell,
)
from closeout.gaps.external_secrets.remedies.known import KnownVariables

_YAML = frozenset({".yml", ".yaml"})


def taken_out(
    paths: Iterable[PurePosixPath], known: KnownVariables
) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield each of the files, and of those that use them, that is another one afterwards."""
    for path in paths:
        content = known.tree.read(path) or b""
        for where, after in _mended(path, content, known).items():
            if after != (known.tree.read(where) or b""):
                yield where, after


def _mended(
    path: PurePosixPath, content: bytes, known: KnownVariables
) -> dict[PurePosixPath, bytes]:
    if path.suffix in powershell.SUFFIXES:
        return powershell.mended(path, content, known)
    if path.suffix in SUFFIXES:
        return {path: pages.mended(content)}
    if path.suffix in shell.SUFFIXES:
        return {path: shell.mended(path, content, known)}
    if pipelines.pipelines(path, content) is not None:
        return {path: pipelines.mended(path, content)}
    if path.suffix in _YAML:
        return {path: connections.mended(path, content, known)}
    return {}
