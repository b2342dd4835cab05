"""Say which services a monorepo holds: found by parsing, declared or corrected in closeout.toml."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from closeout.formats.declarations import declarations, unusable
from closeout.fs import codec
from closeout.fs.safe_open import clean_path
from closeout.model import Service, Text, Tree
from closeout.parsing import fastapi

FASTAPI, EXPRESS = "fastapi", "express"
LAYERS = ("cloud-layer", "edge-layer")

_USUAL = "app.main"


class Declaration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[service]]` of closeout.toml; a discovered or listed service is corrected by it."""

    name: Annotated[
        str,
        Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$", description="How probes and reports call it."),
    ]
    folder: Annotated[
        Text | UnsetType, Meta(description="Its folder, from the monorepo's top.")
    ] = UNSET
    kind: Annotated[
        Literal["fastapi", "express"] | UnsetType,
        Meta(description="What serves it: an ASGI application or a compiled Express entry point."),
    ] = UNSET
    app: Annotated[
        Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*(:[A-Za-z_][A-Za-z0-9_]*)?$")]
        | UnsetType,
        Meta(description="MODULE or MODULE:NAME of the ASGI application or of what builds it."),
    ] = UNSET
    env: Annotated[
        Mapping[str, str] | UnsetType,
        Meta(description="Variables that it needs to start; dummies, never a true secret."),
    ] = UNSET
    stubs: Annotated[
        tuple[Annotated[str, Meta(pattern="^[A-Za-z_@][A-Za-z0-9_./@-]*$")], ...] | UnsetType,
        Meta(description="Modules to stand in for, beside those that are not installed."),
    ] = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(Service):
    """One service and how it is started."""

    app: str = _USUAL
    """The ASGI application as `module` or `module:name`."""
    env: Mapping[str, str] = field(default_factory=dict)
    stubs: tuple[str, ...] = ()


def roster(tree: Tree) -> Mapping[str, Member]:
    """Return the services of the tree by name; what closeout.toml says holds.

    Raises CloseoutError("declaration-unusable") for a closeout.toml that its schema refuses, or
    that declares a service without saying where it is and what serves it.
    """
    found = (*_fastapi(tree), *_express(tree))
    entries = codec.convert(tuple[Declaration, ...], declarations(tree).get("service", []))
    names = [entry.name for entry in entries]
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise unusable(f"the service {repeated[0]} is declared twice")
    bases = {entry.name: _base(entry, found) for entry in entries}
    told = {entry.name: _declared(tree, entry, bases[entry.name]) for entry in entries}
    spoken_of = {member.folder for member in (*bases.values(), *told.values()) if member}
    others = [member for member in found if member.folder not in spoken_of]
    return {member.name: member for member in (*_named(others, told), *told.values())}


def _base(entry: Declaration, found: Sequence[Member]) -> Member | None:
    """Return the service that an entry is about: by its folder, its application or its name."""
    folder = None if entry.folder is UNSET else clean_path(entry.folder)
    app = None if folder is None or entry.app is UNSET else _file(folder, entry.app)
    for meant in (
        [member for member in found if member.folder == folder],
        [member for member in found if _file(member.folder, member.app) == app],
        [member for member in found if member.name == entry.name],
    ):
        if meant:
            return next((member for member in meant if member.kind == entry.kind), meant[-1])
    return None


def _file(folder: PurePosixPath, app: str) -> PurePosixPath:
    return folder.joinpath(*app.partition(":")[0].split("."))


def _named(found: Sequence[Member], taken: Iterable[str]) -> Iterator[Member]:
    """Yield services under names of their own: the folder's, of others of that name the path.

    What stands in the order's layers keeps the name, then what stands nearest to the top.
    """
    owners = dict.fromkeys(taken, -1)
    for number in sorted(range(len(found)), key=lambda number: _rank(found[number])):
        member = found[number]
        path = ".".join(member.folder.parts)
        further = (f"{path}.{member.kind}{count or ''}" for count in itertools.count())
        names = itertools.chain((member.name, path), further)
        owners[next(name for name in names if name not in owners)] = number
    called = {number: name for name, number in owners.items()}
    for number, member in enumerate(found):
        yield replace(member, name=called[number])


def _rank(member: Member) -> tuple[bool, int, bool, PurePosixPath]:
    parts = member.folder.parts
    return parts[0] not in LAYERS, len(parts), member.kind != EXPRESS, member.folder


def _fastapi(tree: Tree) -> Iterator[Member]:
    for service in fastapi.services(tree):
        if service.apps and service.folder.parts:
            modules = [
                ".".join(path.relative_to(service.folder).with_suffix("").parts)
                for path, _ in service.apps
            ]
            app = _USUAL if _USUAL in modules else modules[0]
            yield Member(name=service.folder.name, folder=service.folder, kind=FASTAPI, app=app)


def _express(tree: Tree) -> Iterator[Member]:
    sources = {str(path): path for path in tree.paths() if path.suffix in {".ts", ".js"}}
    for path in tree.paths():
        if path.name == "package.json" and path.parent.parts and _is_express(tree, path, sources):
            yield Member(name=path.parent.name, folder=path.parent, kind=EXPRESS)


def _is_express(tree: Tree, manifest: PurePosixPath, sources: Mapping[str, PurePosixPath]) -> bool:
    content, below = tree.read(manifest) or b"", f"{manifest.parent}/"
    return b'"express"' in content and any(
        text.startswith(below) and _creates_application(tree.read(path) or b"")
        for text, path in sources.items()
    )


def _creates_application(content: bytes) -> bool:
    from closeout.parsing import typescript  # noqa: PLC0415 - heavy

    if b"express" not in content:
        return False
    source = typescript.read(content)
    return any(call.callee == "express" for call in source.calls)


def _declared(tree: Tree, entry: Declaration, found: Member | None) -> Member:
    given = {
        name: value for name, value in msgspec.structs.asdict(entry).items() if value is not UNSET
    }
    if found is None and not {"folder", "kind"} <= given.keys():
        raise unusable(f"the service {entry.name} is not found: say its folder and its kind")
    if "folder" in given:
        given["folder"] = clean_path(given["folder"])
    member = replace(found, **given) if found else Member(**given)
    if not any(path.is_relative_to(member.folder) for path in tree.paths()):
        raise unusable(f"the folder {member.folder} of the service {member.name} holds no file")
    return member
