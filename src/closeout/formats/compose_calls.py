"""Have a pipeline that starts a compose file on a bare checkout fill in its `.env` first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

from closeout.formats.compose_example import example_beside, is_ours
from closeout.fs.text_edit import Splice, line_ending, splice
from closeout.model import Tree

_CALL = re.compile(
    rb"^(?P<head>[ \t]*(?:- )?(?:(?:run|script|bash): )?)"
    rb"docker[ -]compose (?P<words>(?:[^\s&|;]+ )*?)(?:up|run|build|create|config)\b",
    re.MULTILINE,
)
_STEP = re.compile(rb"(?m)^[ \t]*- ")
_ELSEWHERE = re.compile(rb"\bcd |working-?directory:", re.IGNORECASE)
_DEFAULTS = re.compile(rb"(?m)^[ \t]*defaults:")
_PIPELINES = frozenset({".yml", ".yaml"})
_USUAL = PurePosixPath("docker-compose.yml")
_OWN = frozenset({"--env-file", "--project-directory"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    head: re.Match[bytes]
    folder: PurePosixPath
    files: tuple[PurePosixPath, ...]


def filled(
    tree: Tree, changed: Mapping[PurePosixPath, bytes]
) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield the pipelines that start a compose file whose secrets are required by now.

    `changed` holds files as they will be. Left alone is a call from another folder, one that names
    its own variables, and a pipeline that speaks of that `.env` already.
    """
    for path in filter(_is_pipeline, tree.ending(_PIPELINES)):
        content = changed.get(path, tree.read(path) or b"")
        if _DEFAULTS.search(content):
            continue
        splices: dict[PurePosixPath, Splice] = {}
        for call in _calls(content):
            texts = [changed.get(file, tree.read(file) or b"") for file in call.files]
            env, example = call.folder / ".env", example_beside(tree, call.folder)
            is_named = re.search(rb"(?<![\w/.])" + re.escape(str(env)).encode() + rb"\b", content)
            held = changed.get(example, tree.read(example))
            if held is None or is_named or not any(map(is_ours, texts)):
                continue
            ending = line_ending(content, call.head.start()).decode()
            splices.setdefault(call.folder, _filling(call, env, example, ending))
        if splices:
            yield path, splice(content, splices.values())


def _is_pipeline(path: PurePosixPath) -> bool:
    return path.parts[:2] == (".github", "workflows") or path.name.startswith(
        (".gitlab-ci", "azure-pipelines", "bitbucket-pipelines")
    )


def _calls(content: bytes) -> Iterator[_Call]:
    for match in _CALL.finditer(content):
        steps = [found.start() for found in _STEP.finditer(content, 0, match.end())]
        if _ELSEWHERE.search(content[steps[-1] if steps else 0 : match.start()]):
            continue
        words = [word.strip("\"'") for word in match["words"].decode("utf-8", "replace").split()]
        pairs = list(pairwise(words))
        named = [PurePosixPath(file) for word, file in pairs if word in {"-f", "--file"}]
        files = tuple(named) or (_USUAL,)
        if _OWN.isdisjoint(words) and not any("$" in str(file) for file in files):
            yield _Call(head=match, folder=files[0].parent, files=files)


def _filling(call: _Call, env: PurePosixPath, example: PurePosixPath, ending: str) -> Splice:
    text = f'test -f {env} || sed "s/=$/=$(openssl rand -hex 24)/" {example} > {env}'
    head = call.head["head"].decode()
    if ": " in head:
        place = call.head.end("head")
        return Splice(start=place, end=place, text=f"({text}) && ")
    return Splice(start=call.head.start(), end=call.head.start(), text=f"{head}{text}{ending}")
