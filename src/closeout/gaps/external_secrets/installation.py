"""Find the command that installs the operator, and say what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.fs.prefilter import question
from closeout.fs.text_edit import Splice, line_number
from closeout.gaps.external_secrets.target import CHART_VERSION
from closeout.model import Tree
from closeout.parsing import shell

_COMMAND = re.compile(
    rb"^(?P<head>[^#\n]*?\bhelm[ \t]+)(?P<verb>install|upgrade)\b(?P<rest>(?:\\\r?\n|[^\n;&|])*)",
    re.MULTILINE,
)
_RELEASE = re.compile(rb"(?:^|[\s\"'=])external-secrets(?:[\s\"'/]|\\?$)")
_VERSION = re.compile(rb"--version[ \t=]+[\"']?[$\w]")
_WAITS = re.compile(rb"--(?:wait|atomic|rollback-on-failure)\b")
_REMARK = re.compile(rb"(?:^|(?<=[ \t]))#[^\n]*", re.MULTILINE)
_SCRIPTS = frozenset({".sh", ".bash"})
_PINNED = re.compile(r"v?\d+\.\d+\.\d+(?:[-+][\w.]+)?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallCommand:
    """One `helm install` or `helm upgrade` of the operator."""

    path: PurePosixPath
    line: int
    missing: tuple[str, ...]
    """What it lacks to be re-runnable and pinned, in words."""
    splices: tuple[Splice, ...]
    """What would mend it."""


def commands(tree: Tree) -> Iterator[InstallCommand]:
    """Yield every command that installs the operator from a script, Makefile or workflow."""
    for path in tree.candidates(_SPEAKING):
        content = tree.read(path) or b""
        if path.suffix in _SCRIPTS:
            code = shell.commands(content)
        else:
            code = _REMARK.sub(lambda found: b" " * len(found[0]), content)
        for match in _COMMAND.finditer(code):
            if _RELEASE.search(match["rest"]):
                yield _command(path, content, match)


def is_pinned(version: str) -> bool:
    """Return whether `version` names exactly one release."""
    return bool(_PINNED.match(version))


def _may_hold(path: PurePosixPath) -> bool:
    if path.suffix in {*_SCRIPTS, ".mk"} or path.name == "Makefile":
        return True
    return path.suffix in {".yml", ".yaml"} and "workflows" in path.parts


_SPEAKING = question(
    (".sh", ".bash", ".mk", "", ".yml", ".yaml"),
    lambda content: b"external-secrets" in content and b"helm" in content,
    _may_hold,
)


def _command(path: PurePosixPath, content: bytes, match: re.Match[bytes]) -> InstallCommand:
    missing: list[str] = []
    splices: list[Splice] = []
    rest = match["rest"]
    options = ""
    if match["verb"] == b"install":
        missing.append("it fails when it is run again (use upgrade --install)")
        splices.append(
            Splice(start=match.start("verb"), end=match.end("verb"), text="upgrade --install")
        )
    elif b"--install" not in rest:
        missing.append("it fails on a fresh cluster (add --install)")
        options += " --install"
    if not _VERSION.search(rest):
        missing.append("it takes whatever version is newest (add --version)")
        options += f" --version {CHART_VERSION}"
    if not _WAITS.search(rest):
        missing.append("it ends before the operator runs (add --wait)")
        options += " --wait"
    if options:
        place = match.end("verb")
        splices.append(Splice(start=place, end=place, text=options))
    return InstallCommand(
        path=path,
        line=line_number(content, match.start("verb")),
        missing=tuple(missing),
        splices=tuple(splices),
    )
