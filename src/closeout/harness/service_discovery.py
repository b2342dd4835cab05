"""Say which services a monorepo holds: found by parsing, declared or corrected in closeout.toml."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import PurePosixPath
from typing import Any

from closeout.errors import CloseoutError
from closeout.fs.safe_open import clean_path
from closeout.model import Service, Tree
from closeout.parsing import fastapi

FILE = "closeout.toml"
FASTAPI, EXPRESS = "fastapi", "express"

_USUAL = "app.main"


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
    found = {member.name: member for member in (*_fastapi(tree), *_express(tree))}
    entries = declarations(tree).get("service", [])
    names = [entry["name"] for entry in entries]
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise _unusable(f"the service {repeated[0]} is declared twice")
    for entry in entries:
        found[entry["name"]] = _declared(tree, entry, found.get(entry["name"]))
    return found


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
    for path in tree.paths():
        if path.name == "package.json" and path.parent.parts and _is_express(tree, path):
            yield Member(name=path.parent.name, folder=path.parent, kind=EXPRESS)


def _is_express(tree: Tree, manifest: PurePosixPath) -> bool:
    content = tree.read(manifest) or b""
    return b'"express"' in content and any(
        path.is_relative_to(manifest.parent)
        and path.suffix in {".ts", ".js"}
        and _creates_application(tree.read(path) or b"")
        for path in tree.paths()
    )


def _creates_application(content: bytes) -> bool:
    from closeout.parsing import typescript  # noqa: PLC0415 - heavy

    if b"express" not in content:
        return False
    source = typescript.read(content)
    return any(call.callee == "express" for call in source.calls)


def declarations(tree: Tree) -> Mapping[str, Any]:
    """Return what closeout.toml declares, held to its schema; nothing where there is none.

    Raises CloseoutError("declaration-unusable") for a file that its schema refuses.
    """
    content = tree.read(FILE)
    if content is None:
        return {}
    try:
        read = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _unusable(str(error)) from error
    import jsonschema  # noqa: PLC0415 - heavy

    schema = resources.files("closeout").joinpath("formats", "schemas", "closeout.schema.json")
    validator = jsonschema.Draft202012Validator(json.loads(schema.read_text("utf-8")))
    for problem in validator.iter_errors(read):
        place = ".".join(map(str, problem.absolute_path))
        raise _unusable(f"{place}: {problem.message}" if place else problem.message)
    return read


def _declared(tree: Tree, entry: Mapping[str, Any], found: Member | None) -> Member:
    if found is None and not {"folder", "kind"} <= set(entry):
        raise _unusable(f"the service {entry['name']} is not found: say its folder and its kind")
    member = found or Member(name=entry["name"], folder=PurePosixPath(), kind=entry["kind"])
    member = replace(
        member,
        folder=clean_path(entry["folder"]) if "folder" in entry else member.folder,
        kind=entry.get("kind", member.kind),
        app=entry.get("app", member.app),
        env=entry.get("env", member.env),
        stubs=tuple(entry.get("stubs", member.stubs)),
    )
    if not any(path.is_relative_to(member.folder) for path in tree.paths()):
        raise _unusable(f"the folder {member.folder} of the service {member.name} holds no file")
    return member


def _unusable(what: str) -> CloseoutError:
    return CloseoutError(
        "declaration-unusable",
        f"{FILE}: {what}",
        hint="correct the entry; schemas/closeout.schema.json describes each.",
    )
