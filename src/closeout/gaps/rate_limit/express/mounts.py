"""Follow an Express router to the places that mount it: its paths, and what is passed before it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from closeout.formats import npm
from closeout.fs.prefilter import question
from closeout.fs.walk import is_below
from closeout.model import Tree
from closeout.parsing import typescript
from closeout.parsing.node_sources import SUFFIXES, is_source
from closeout.parsing.typescript_values import TypeScriptValues

_REQUIRED = re.compile(r"require\(\s*['\"`](\.[^'\"`]*)['\"`]\s*\)")
_ROOT = re.compile(r"(?:this\.)?[\w$]+")
_SUBSTITUTION = re.compile(r"\$\{[^}]*\}")
_QUOTED = re.compile(r"(['\"`])(.*?)\1")
_DEEPEST = 4
_MOUNTS = question(SUFFIXES, lambda content: b".use(" in content, is_source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """An expression that a request passes before the handler, and the file it stands in."""

    path: PurePosixPath
    text: str
    is_conditional: bool = False
    """Whether a condition decides that the guard is there at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One way to a router: the path in front of its own, and the guards on it."""

    prefix: str
    guards: tuple[Guard, ...] = ()


def root(receiver: str) -> str:
    """Return the variable that a chain of calls starts from."""
    found = _ROOT.match(receiver)
    return found[0] if found else receiver


class Mounts:
    """The mounts of one tree's routers."""

    def __init__(self, tree: Tree) -> None:
        """Read from `tree`."""
        self.tree = tree
        self.values = TypeScriptValues(tree)

    @cached_property
    def _mounting(self) -> tuple[PurePosixPath, ...]:
        return self.tree.candidates(_MOUNTS)

    def texts(self, path: PurePosixPath, place: typescript.SourceRange) -> tuple[str, ...]:
        """Return what a path argument can come to; unknown parts are left out of it."""
        literal = typescript.string_value(place)
        if literal is not None:
            return (literal,)
        found: list[str] = []
        for leaf in self.values.at(path, place):
            if leaf.kind in {"string", "template_string"}:
                text = _SUBSTITUTION.sub("", leaf.text).strip("`")
            elif leaf.kind == "regex":
                text = leaf.text.strip("/^$").removesuffix("/i").replace("\\", "").rstrip("/?$")
            else:
                text = "".join(match[2] for match in _QUOTED.finditer(leaf.text))
            found += [text] if text else []
        return tuple(dict.fromkeys(found))

    def of(self, path: PurePosixPath, depth: int = 0) -> tuple[Mount, ...]:
        """Return the ways that requests come to the router of the file at `path`."""
        service = npm.service_of(self.tree, path)
        if service is None or depth > _DEEPEST:
            return ()
        name = path.parent.name if path.stem == "index" else path.stem
        found: list[Mount] = []
        for other in self._mounting:
            content = self.tree.read(other) or b""
            if other != path and is_below(other, service) and name.encode() in content:
                for mount in self._in(other, path):
                    outer = self.of(other, depth + 1) or (Mount(prefix=""),)
                    found += [
                        Mount(
                            prefix=around.prefix.rstrip("/") + mount.prefix,
                            guards=(*around.guards, *mount.guards),
                        )
                        for around in outer
                    ]
        return tuple(found)

    def before(
        self,
        path: PurePosixPath,
        source: typescript.TypeScriptSource,
        call: typescript.Call,
        route: str,
    ) -> Iterator[Guard]:
        """Yield what the same file puts before `call`, whose path is `route`."""
        for mount in source.mounts():
            is_earlier = mount.place.start < call.place.start
            if not is_earlier or root(mount.receiver) != root(call.receiver):
                continue
            first = mount.arguments[:1]
            prefixes = self.texts(path, first[0]) if first and _is_path(first[0]) else ()
            places = mount.arguments[1:] if prefixes else mount.arguments
            if any(route.startswith(prefix.rstrip("/")) for prefix in prefixes or ("",)):
                yield from (self._guard(path, mount, place.text) for place in places)

    def _guard(self, path: PurePosixPath, call: typescript.Call, text: str) -> Guard:
        from closeout.parsing.typescript_flow import is_conditional  # noqa: PLC0415 - few get here

        content = self.tree.read(path) or b""
        node = typescript.parsed(content).descendant_for_byte_range(
            call.place.start, call.place.end
        )
        conditional = node is not None and is_conditional(node)
        return Guard(path=path, text=text, is_conditional=conditional)

    def _in(self, path: PurePosixPath, router: PurePosixPath) -> Iterator[Mount]:
        source = typescript.read(self.tree.read(path) or b"")
        names = {
            name
            for item in source.imports
            if item.source.startswith(".") and self.values.names.target(path, item.source) == router
            for name in item.names
        }
        for mount in source.mounts():
            places = mount.arguments
            ours = [place for place in places if self._is_router(path, place, names, router)]
            if not ours:
                continue
            first = places[0]
            prefixes = self.texts(path, first) if first not in ours and _is_path(first) else ()
            rest = places[1:] if prefixes else places
            guards = [self._guard(path, mount, place.text) for place in rest if place not in ours]
            for prefix in prefixes or ("",):
                earlier = self.before(path, source, mount, prefix)
                yield Mount(prefix=prefix, guards=(*earlier, *guards))

    def _is_router(
        self,
        path: PurePosixPath,
        place: typescript.SourceRange,
        names: set[str],
        router: PurePosixPath,
    ) -> bool:
        required = _REQUIRED.search(place.text)
        if required is not None:
            return self.values.names.target(path, required[1]) == router
        words = set(re.findall(r"[\w$]+", place.text))
        return bool(names & words) and not place.text.startswith(("'", '"', "`"))


def _is_path(place: typescript.SourceRange) -> bool:
    return place.kind in {
        "array",
        "binary_expression",
        "identifier",
        "member_expression",
        "regex",
        "string",
        "template_string",
    }
