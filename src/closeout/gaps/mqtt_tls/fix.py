"""Compute the edits that give every broker TLS; what is sound already is left alone."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from closeout import resources
from closeout.formats.compose import is_base
from closeout.fs.text_edit import Splice, splice
from closeout.fs.tree import Overlay
from closeout.gaps.mqtt_tls.access.callers import Callers, callers
from closeout.gaps.mqtt_tls.access.listing import listed
from closeout.gaps.mqtt_tls.compose.brokers import CERTIFICATES, CONFIG, Broker
from closeout.gaps.mqtt_tls.compose.edit import (
    compose_splices,
    host_port,
    image_splices,
    taken_ports,
)
from closeout.gaps.mqtt_tls.detect import Survey, instructive, survey
from closeout.gaps.mqtt_tls.kubernetes.edit import cluster_changesets
from closeout.gaps.mqtt_tls.makers import guides, makers
from closeout.gaps.mqtt_tls.mosquitto import render
from closeout.gaps.mqtt_tls.mosquitto.configuration import (
    TLS_PORT,
    BrokerConf,
    Problem,
    parse,
    production_problems,
    tls_problems,
)
from closeout.gaps.mqtt_tls.mosquitto.separation import governed, inclusion, limited
from closeout.gaps.mqtt_tls.production import lacks
from closeout.model import Changeset, Edit, Reason, Source, Tree, Unresolved


def fix(tree: Tree) -> tuple[Changeset, ...]:
    """Return the changesets for what is still open on `tree`."""
    seen = survey(tree)
    known = callers(tree, {item.name for item in seen.brokers})
    started = tuple(_brokers(tree, seen, known))
    found = [
        *started,
        *_configurations(seen),
        *(_working(_laid(tree, started)) if _has_working(seen) else ()),
        *_productions(tree, seen, known),
        *(clustered := tuple(cluster_changesets(tree, seen.manifests, known))),
    ]
    folders = (item.folder for item in seen.brokers) if any(item.edits for item in started) else ()
    mended = {edit.path.parent for item in clustered for edit in item.edits if edit.before}
    told = (*makers(tree, folders), *guides(tree, mended))
    found.append(Changeset(name="told", edits=(), unresolved=told))
    return tuple(item for item in found if item.edits or item.unresolved)


def _brokers(tree: Tree, seen: Survey, known: Callers) -> Iterator[Changeset]:
    """Yield what each broker needs; all who start it with one configuration get it, or none."""
    used: dict[PurePosixPath, set[str]] = {}
    for starters in _together(seen):
        name = starters[0].name
        try:
            edits = _started(tree, starters, used)
        except ValueError as error:
            yield Changeset(name=name, edits=(), unresolved=_refused(starters, str(error)))
            continue
        yield Changeset(name=name, edits=edits)
        yield from _folder(tree, seen, starters, known)


def _together(seen: Survey) -> Iterator[list[Broker]]:
    held: dict[PurePosixPath, list[Broker]] = {}
    for broker in seen.brokers:
        if broker.conf is None or broker.settings is None:
            yield [broker]
        else:
            held.setdefault(broker.conf, []).append(broker)
    yield from held.values()


def _started(
    tree: Tree, starters: list[Broker], used: dict[PurePosixPath, set[str]]
) -> tuple[Edit, ...]:
    """Return the edits of what is there; raises ValueError where one of them is not clear."""
    splices: dict[PurePosixPath, list[Splice]] = {}
    for broker in starters:
        content = tree.read(broker.compose) or b""
        taken = used.setdefault(broker.compose, taken_ports(broker.compose, content))
        splices.setdefault(broker.compose, []).extend(compose_splices(content, broker, taken))
    path, conf = starters[0].conf, starters[0].settings
    content = tree.read(path) or b"" if path is not None and conf is not None else b""
    if b"\r" in content.replace(b"\r\n", b""):
        message = "lines of its configuration end with a carriage return alone: mosquitto reads on"
        raise ValueError(message)
    includes = parse(content).value("include_dir") == render.CERTS
    if path is not None and conf is not None and (problems := tls_problems(conf)):
        if _has_tls(conf, problems):
            raise ValueError(problems[-1].message)
        if not includes:
            splices[path] = list(inclusion(content, render.CERTS))
            includes = True
    for recipe in sorted({item.recipe for item in starters if item.recipe}):
        splices[recipe] = list(image_splices(tree.read(recipe) or b"", includes=includes))
    return tuple(
        edit
        for place, made in splices.items()
        for edit in _changed(tree, place, splice(tree.read(place) or b"", made))
    )


def _refused(starters: list[Broker], detail: str) -> tuple[Unresolved, ...]:
    hint = (
        f"publish {TLS_PORT} and mount certs/broker by hand; mosquitto.prod.conf shows a listener."
    )
    return tuple(
        Unresolved(
            path=item.compose,
            reason=Reason.AMBIGUOUS,
            detail=f"{item.name}: {detail}",
            line=item.line,
            hint=hint,
        )
        for item in starters
    )


def _folder(
    tree: Tree, seen: Survey, starters: list[Broker], known: Callers
) -> Iterator[Changeset]:
    """Yield the files that stand beside the configuration."""
    broker = starters[0]
    folder = broker.folder
    is_ours = _is_ours(broker)
    acl = tree.read(folder / "aclfile") or listed(tree, folder, known)
    dials = [{"who": item.who, "path": str(item.path), "told": item.told} for item in known.dials]
    port = host_port(broker)
    certs = folder / "certs"
    readme = render.instructions(acl, seen.dialled(folder), dials, folder=str(certs), port=port)
    yield _certificate_folder(tree, certs, readme, is_ours=is_ours)
    if not is_ours:
        return
    listener = render.tls_listener(render.COMPOSE, known.several)
    held = tree.read(broker.conf) if broker.conf else None
    if not parse(held or b"").secure:
        yield _template("tls-listener", _missing(tree, folder / render.LISTENER, listener))
    yield _template("access-list", _missing(tree, folder / "aclfile", acl))
    for item in starters:
        yield _template("production-override", _override(tree, item, known))


def _configurations(seen: Survey) -> Iterator[Changeset]:
    """Yield why a configuration that nothing in the tree starts cannot be left as it is."""
    for path, conf in seen.others:
        problems = tls_problems(conf)
        if path not in seen.started and problems and _has_tls(conf, problems):
            left = Unresolved(
                path=path,
                reason=Reason.AMBIGUOUS,
                detail=problems[-1].message,
                line=problems[-1].line,
                hint="mend the listener by hand; mosquitto.prod.conf shows one that works.",
            )
            yield Changeset(name=f"{path.parent.name}-configuration", edits=(), unresolved=(left,))


def _has_tls(conf: BrokerConf, problems: tuple[Problem, ...]) -> bool:
    return bool(conf.secure) or len(problems) > 1


def _has_working(seen: Survey) -> bool:
    return any(not production_problems(conf) for _, conf in seen.production)


def _working(tree: Tree) -> Iterator[Changeset]:
    """Yield what production that works lacks, once its brokers have what this gap gives them."""
    seen = survey(tree)
    for item in lacks(tree, seen.brokers, seen.confs):
        content = tree.read(item.path) or b""
        made = (*limited(content, item.weak), *governed(content, item.open, item.acl))
        edits = _changed(tree, item.path, splice(content, made))
        yield Changeset(name=f"{item.path.parent.name}-production", edits=edits)


def _laid(tree: Tree, made: Iterable[Changeset]) -> Tree:
    """Return the tree with what fits; of two edits of a file the engine asks for one later."""
    stage = Overlay(tree)
    for edit in (each for changeset in made for each in changeset.edits):
        if stage.read(edit.path) == edit.before:
            stage.lay(edit)
    return stage


def _productions(tree: Tree, seen: Survey, known: Callers) -> Iterator[Changeset]:
    for path, conf in _production(seen):
        after = render.production_conf(render.COMPOSE, conf, known.several)
        yield _template("production-configuration", _changed(tree, path, after))
        acl = listed(tree, path.parent, known)
        yield _template("access-list", _missing(tree, path.parent / "aclfile", acl))


def _production(seen: Survey) -> Iterator[tuple[PurePosixPath, BrokerConf]]:
    """Yield each production configuration to render, with what it holds now."""
    for path, conf in seen.production:
        if production_problems(conf):
            yield path, conf
    beside = {path.parent for path, _ in seen.production}
    loose = [
        path.parent
        for path, conf in seen.others
        if path not in seen.started
        and (problems := tls_problems(conf))
        and not _has_tls(conf, problems)
    ]
    for folder in dict.fromkeys([*seen.folders, *loose]):
        if folder not in beside:
            yield folder / "mosquitto.prod.conf", parse(b"")


def _certificate_folder(
    tree: Tree, folder: PurePosixPath, instructions: bytes, *, is_ours: bool
) -> Changeset:
    readme = folder / "README.md"
    content = tree.read(readme)
    if content is not None and not instructive(content):
        left = Unresolved(
            path=readme,
            reason=Reason.AMBIGUOUS,
            detail="it does not say how certificates are made, and it is not ours to replace",
            hint="move the file away and run again, or add the commands by hand.",
        )
        return Changeset(
            name="certificate-folder", edits=(), source=Source.TEMPLATE, unresolved=(left,)
        )
    kept = _missing(tree, folder / "broker" / ".gitkeep", b"") if is_ours else ()
    if content is not None:
        return _template("certificate-folder", kept)
    return _template(
        "certificate-folder",
        (
            *_missing(tree, folder / ".gitignore", render.ignored()),
            *_missing(tree, folder / ".gitkeep", b""),
            *kept,
            *_missing(tree, readme, instructions),
        ),
    )


def _is_ours(broker: Broker) -> bool:
    """Return whether the broker's TLS is what this gap adds, or has added, and not another's."""
    added = broker.inside(PurePosixPath(render.CERTS)) == broker.folder / "certs" / "broker"
    conf = broker.settings
    return conf is not None and bool(added or not conf.secure or broker.unmounted(*CERTIFICATES))


def _override(tree: Tree, broker: Broker, known: Callers) -> tuple[Edit, ...]:
    """Return the compose file that runs the broker on its production configuration alone."""
    path = broker.compose.with_name("docker-compose.mqtt-prod.yml")
    listeners = broker.settings.listeners if broker.settings else ()
    if not is_base(broker.compose) or all(item.encrypted for item in listeners):
        return ()
    relative = posixpath.relpath(str(broker.folder), str(broker.compose.parent))
    values = {
        "base": broker.compose.name,
        "name": path.name,
        "service": broker.name,
        "config": f"./{relative}/mosquitto.prod.conf",
        "target": str(CONFIG),
        "curves": f"./{relative}/openssl.cnf",
        "callers": sorted({item.who for item in known.dials if item.who}),
        "openssl": render.OPENSSL,
    }
    after = resources.render("mqtt-tls/docker-compose.mqtt-prod.yml.j2", values)
    override = _missing(tree, path, after)
    curves = _missing(tree, broker.folder / "openssl.cnf", render.curves()) if override else ()
    return (*override, *curves)


def _template(name: str, edits: tuple[Edit, ...]) -> Changeset:
    return Changeset(name=name, edits=edits, source=Source.TEMPLATE)


def _missing(tree: Tree, path: PurePosixPath, content: bytes) -> tuple[Edit, ...]:
    return () if tree.read(path) is not None else (Edit.of(tree, path, content),)


def _changed(tree: Tree, path: PurePosixPath, after: bytes) -> tuple[Edit, ...]:
    return () if tree.read(path) == after else (Edit.of(tree, path, after),)
