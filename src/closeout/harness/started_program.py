"""Say what a service's images start, where that is another program than the app in its folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from closeout.formats import compose, dockerfile
from closeout.formats.images import run_by
from closeout.fs.tree import below
from closeout.model import Tree
from closeout.parsing.yaml import Node, NodeKind

_SERVERS = frozenset(
    ("uvicorn", "gunicorn", "hypercorn", "daphne", "granian", "fastapi", "flask", "waitress-serve")
)
_RUNTIMES = frozenset(
    (
        *("node", "nodejs", "npm", "npx", "yarn", "pnpm", "tsx", "ts-node", "ts-node-dev"),
        *("nodemon", "pm2", "pm2-runtime", "bun", "deno"),
    )
)
_WRAPPERS = frozenset(
    (
        *("sh", "bash", "/bin/sh", "/bin/bash", "exec", "tini", "dumb-init", "gosu", "env"),
        *("nice", "ddtrace-run", "opentelemetry-instrument", "newrelic-admin", "run-program"),
        *("poetry", "pipenv", "uv", "run"),
    )
)
_SAID = 4
"""Words of a command that are shown: what follows may hold a password."""
_PYTHON = re.compile(r"python[\d.]*$")
_ASSIGNMENT = re.compile(r"\w+=")
_SEPARATOR = re.compile(r"&&|\|\||;|\n")


def other_program(tree: Tree, folder: PurePosixPath) -> str:
    """Return the command that the service in `folder` is started by, if never the app's own.

    Empty where some image or compose file starts the app, or where nothing says what is started.
    """
    commands = [command for command in _commands(tree, folder) if command]
    others = [command for command in commands if not _is_app(tree, folder, command)]
    return _shown(others[0]) if others and len(others) == len(commands) else ""


def _shown(words: Sequence[str]) -> str:
    told = " ".join(words).partition(" --")[0]
    return " ".join(told.split()[:_SAID])


def _commands(tree: Tree, folder: PurePosixPath) -> Iterator[Sequence[str]]:
    """Yield what each compose service that runs the folder starts, then the image by itself."""
    own = _of_image(tree.read(folder / "Dockerfile") or b"")
    is_composed = False
    for path in compose.files(tree):
        for service in compose.services(path, tree.read(path) or b""):
            if folder not in run_by(tree, service, frozenset([folder])):
                continue
            is_composed = True
            recipe = service.recipe
            image = _of_image(tree.read(recipe) or b"") if recipe is not None else own
            entry, command = (_words(service.node.get(key)) for key in ("entrypoint", "command"))
            yield [*entry, *command] if entry or command else image
    if not is_composed:
        yield own


def _of_image(content: bytes) -> list[str]:
    """Return the words that the shipped stage starts: its entry point, and its command after it."""
    entry: list[str] = []
    command: list[str] = []
    for item in dockerfile.instructions(content):
        if item.word == "FROM":
            entry, command = [], []
        elif item.word == "ENTRYPOINT":
            entry, command = dockerfile.words(item.rest), []
        elif item.word == "CMD":
            command = dockerfile.words(item.rest)
    return [*entry, *command]


def _words(node: Node | None) -> list[str]:
    if node is None:
        return []
    return list(node.scalars()) if node.kind is NodeKind.SEQUENCE else node.text.split()


def _is_app(tree: Tree, folder: PurePosixPath, words: Sequence[str]) -> bool:
    """Return whether a command may start the app: a server, a runtime, or a file of the service."""
    parts = _SEPARATOR.split(" ".join(words))
    return any(_starts_app(tree, folder, part.split()) for part in parts) or not any(
        part.strip() for part in parts
    )


def _starts_app(tree: Tree, folder: PurePosixPath, words: Sequence[str]) -> bool:
    left = [word.strip("\"'") for word in words]
    while left and (left[0] in _WRAPPERS or left[0].startswith("-") or _ASSIGNMENT.match(left[0])):
        left = left[1:]
    if not left:
        return False
    program = PurePosixPath(left[0]).name
    if _PYTHON.match(program):
        given = [word for word in left[1:] if word not in {"-u", "-O", "-m"}]
        program = given[0].partition(".")[0] if given else "python"
        is_module = "-m" in left and program not in _SERVERS
        return not is_module or _is_own(tree, folder, program)
    return program in _SERVERS | _RUNTIMES or _is_own(tree, folder, program)


def _is_own(tree: Tree, folder: PurePosixPath, name: str) -> bool:
    """Return whether the service holds a file or a package of that name."""
    return any(name in {path.stem, *path.relative_to(folder).parts} for path in below(tree, folder))
