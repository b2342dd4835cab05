"""Give the Express services' open policies a list of origins, a changeset a service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from closeout.formats import npm
from closeout.fs.text_edit import Splice, spliced
from closeout.fs.tree import Overlay, below
from closeout.gaps.cors.express.detect import (
    MODULES,
    OpenedPlace,
    configurable_folders,
    look,
)
from closeout.gaps.cors.express.openings import Opening
from closeout.gaps.cors.express.options import Wanted, filled_in, own_variable, spelled_out
from closeout.gaps.cors.express.routes import request_headers, route_methods
from closeout.gaps.cors.page_headers import sent
from closeout.gaps.cors.wiring import delivery, template_values
from closeout.model import Changeset, Edit, Reason, Tree, Unresolved
from closeout.parsing import typescript
from closeout.parsing import typescript_imports as imports
from closeout.parsing.typescript_language import is_module
from closeout.parsing.typescript_unused import left_unused
from closeout.resources import render

_ORIGINS, _HEADERS = "trustedOrigins", "REQUEST_HEADERS"
_IDENTIFIERS = (
    "identifier",
    "property_identifier",
    "shorthand_property_identifier",
    "shorthand_property_identifier_pattern",
    "statement_identifier",
    "type_identifier",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Module:
    """The service's new module; `ending` is what an import of it has to end with."""

    path: PurePosixPath
    content: bytes
    is_commonjs: bool
    ending: str


def express_changes(tree: Tree) -> tuple[Changeset, ...]:
    """Return a changeset for every Express service with an open policy."""
    survey = look(tree)
    services: dict[PurePosixPath, list[OpenedPlace]] = {}
    left: dict[PurePosixPath, list[Unresolved]] = {}
    for place in survey.opened:
        services.setdefault(npm.home_of(tree, place.path), []).append(place)
    for item in survey.unresolved:
        left.setdefault(npm.home_of(tree, item.path), []).append(item)
    configurable = configurable_folders(tree, survey)
    return tuple(
        _changeset(
            tree,
            folder,
            services.get(folder, []),
            left.get(folder, []),
            is_configurable=folder in configurable,
        )
        for folder in sorted({*services, *left, *configurable})
    )


def _changeset(
    tree: Tree,
    folder: PurePosixPath,
    opened: Sequence[OpenedPlace],
    left: Sequence[Unresolved],
    *,
    is_configurable: bool,
) -> Changeset:
    """Return a service's edits, its env example among them once its policy reads the variable."""
    edits: dict[PurePosixPath, Edit] = {}
    unresolved = list(left)
    for path in sorted({place.path for place in opened}):
        places = [place for place in opened if place.path == path]
        refused = list(_refusals(places))
        module = _module(tree, folder, path)
        if module is None:
            refused.append(_left(places[0], "the names of the new module are taken"))
        made, dead = ([], "") if refused or module is None else _edits(tree, folder, places, module)
        if dead:
            refused.append(_left(places[0], f"the import of {dead} would be left unused"))
        elif made and any(place.path == path for place in look(Overlay(tree, made)).opened):
            refused.append(_left(places[0], "its origin is set again after the options are made"))
        if refused:
            unresolved += refused
        else:
            edits |= {edit.path: edit for edit in made}
    reaching = delivery(tree)
    told = list(reaching.example_edits(tree, [folder]) if edits or is_configurable else ())
    told += reaching.first_examples(tree, [folder]) if edits else ()
    return Changeset(
        name=folder.name or "express",
        edits=(*edits.values(), *told),
        unresolved=tuple(unresolved),
    )


def _refusals(places: Sequence[OpenedPlace]) -> Iterator[Unresolved]:
    for place in places:
        if place.call is None:
            by_hand = "writes the header by hand; remove it and let cors(…) answer"
            is_theirs = place.opening is Opening.FRAMEWORK
            yield _left(
                place, f"{place.opening.value}: list origins there" if is_theirs else by_hand
            )


def _left(place: OpenedPlace, detail: str) -> Unresolved:
    return Unresolved(path=place.path, reason=Reason.AMBIGUOUS, line=place.line, detail=detail)


def _module(tree: Tree, folder: PurePosixPath, path: PurePosixPath) -> _Module | None:
    content = tree.read(path) or b""
    is_typed = "t" in path.suffix
    is_commonjs = not is_typed and not imports.statements(typescript.read(content))
    values = {
        "typed": is_typed,
        "commonjs": is_commonjs,
        **template_values(tree, folder),
    }
    rendered = render("cors/corsOrigins.j2", values)
    config = folder / "src" / "config"
    has_config = below(tree, config)
    beside = config if has_config else path.parent
    for name in MODULES:
        place = beside / f"{name}{path.suffix}"
        if tree.read(place) in {None, rendered}:
            return _Module(
                path=place,
                content=rendered,
                is_commonjs=is_commonjs,
                ending=_ending(tree, folder, path),
            )
    return None


def _edits(
    tree: Tree, folder: PurePosixPath, places: Sequence[OpenedPlace], module: _Module
) -> tuple[list[Edit], str]:
    """Return the edits for one file, and the name of an import that they would leave unused."""
    path = places[0].path
    content = tree.read(path) or b""
    imported = _imported_from(content, path, module)
    identifiers = typescript.find(typescript.parsed(content), *_IDENTIFIERS)
    used = {typescript.text_of(node) for node in identifiers}
    # What the file calls the module's exports: other names where its own are the same.
    names = {
        name: imported.get(name) or (f"{name}OfPolicy" if name in used else name)
        for name in (_ORIGINS, _HEADERS)
    }
    wanted = Wanted(
        origins=f"{names[_ORIGINS]}()",
        methods=route_methods(tree, folder),
        headers=names[_HEADERS],
        more_headers=tuple(sorted(request_headers(tree, folder) - {*sent(tree, tenants=True)})),
    )
    splices: list[Splice] = []
    for place in places:
        if place.options is not None:
            given = f"{names[_ORIGINS]}({own_variable(place.options.node)})"
            splices += filled_in(content, place.options.node, replace(wanted, origins=given))
        elif place.call is not None:
            splices.append(_written_out(content, place.call, wanted))
    dead = left_unused(content, splices)
    if dead.imported:
        return [], dead.imported
    lacking = {name: local for name, local in names.items() if name not in imported}
    splices += [*dead.splices, *_import(content, path, module, lacking, splices)]
    made = [spliced(tree, path, splices)]
    if tree.read(module.path) is None:
        made.append(Edit.of(tree, module.path, module.content))
    return made, ""


def _written_out(content: bytes, call: typescript.Call, wanted: Wanted) -> Splice:
    """Return the splice that gives a call without options its own."""
    text = spelled_out(content, call.place.start, wanted)
    if call.arguments:
        return Splice(start=call.arguments[0].start, end=call.arguments[0].end, text=text)
    return Splice(start=call.place.end - 1, end=call.place.end - 1, text=text)


def _imported_from(content: bytes, path: PurePosixPath, module: _Module) -> dict[str, str]:
    """Return what the file imports from the new module already: exported to local name."""
    name = imports.relative(path.parent, module.path.with_suffix(""))
    return {
        exported: local
        for item in typescript.read(content).imports
        if item.source.removesuffix(module.path.suffix).removesuffix(".js") == name
        for local, exported in item.names.items()
    }


def _import(
    content: bytes,
    path: PurePosixPath,
    module: _Module,
    names: Mapping[str, str],
    splices: Sequence[Splice],
) -> Iterator[Splice]:
    """Yield the splice that imports those of the module's names that the splices write."""
    text = "".join(item.text for item in splices)
    between = ": " if module.is_commonjs else " as "
    written = [
        name if local == name else f"{name}{between}{local}"
        for name, local in sorted(names.items(), key=lambda item: item[0].lower())
        if local in text
    ]
    if not written:
        return
    before = min(item.start for item in splices if item.text)
    given = (content, path.parent, written, module.path)
    if module.is_commonjs:
        yield imports.requirement(*given, before)
    else:
        yield imports.insertion(*given, module.ending, before=before)


def _ending(tree: Tree, folder: PurePosixPath, path: PurePosixPath) -> str:
    """Return the ending that the runtime needs in a relative import."""
    if path.suffix not in {".ts", ".js"}:
        return path.suffix.replace("t", "j")
    return ".js" if path.suffix == ".js" or is_module(tree, folder) else ""
