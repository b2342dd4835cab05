"""Compute the edits that give every broker TLS; what is sound already is left alone."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import PurePosixPath

from closeout.formats.compose import is_base
from closeout.fs.text_edit import splice
from closeout.gaps.mqtt_tls.compose.brokers import CONFIG, Broker
from closeout.gaps.mqtt_tls.compose.edit import compose_splices
from closeout.gaps.mqtt_tls.detect import Survey, instructive, survey, unmounted
from closeout.gaps.mqtt_tls.kubernetes.edit import cluster_changesets
from closeout.gaps.mqtt_tls.mosquitto import render
from closeout.gaps.mqtt_tls.mosquitto.configuration import (
    TLS_PORT,
    BrokerConf,
    parse,
    production_problems,
    tls_listener_splices,
    tls_problems,
)
from closeout.model import Changeset, Edit, Reason, Source, Tree, Unresolved


def fix(tree: Tree) -> tuple[Changeset, ...]:
    """Return the changesets for what is still open on `tree`."""
    seen = survey(tree)
    found = [
        *_compose(tree, seen),
        *_configurations(tree, seen),
        *_folders(tree, seen),
        *cluster_changesets(tree, seen.manifests),
    ]
    return tuple(item for item in found if item.edits or item.unresolved)


def _compose(tree: Tree, seen: Survey) -> Iterator[Changeset]:
    confs = dict(seen.confs)
    for broker in seen.brokers:
        content = tree.read(broker.compose) or b""
        conf = confs.get(broker.conf) if broker.conf else None
        try:
            after = splice(content, compose_splices(content, broker, conf))
        except ValueError as error:
            left = Unresolved(
                path=broker.compose,
                reason=Reason.AMBIGUOUS,
                detail=f"{broker.name}: {error}",
                line=broker.line,
                hint=f"publish {TLS_PORT} and mount certs/broker by hand.",
            )
            yield Changeset(name=f"{broker.name}-compose", edits=(), unresolved=(left,))
            continue
        edits = _changed(tree, broker.compose, after)
        yield Changeset(name=f"{broker.name}-compose", edits=edits)


def _configurations(tree: Tree, seen: Survey) -> Iterator[Changeset]:
    mounted = {broker.conf for broker in seen.brokers}
    for path, conf in seen.others:
        problems = tls_problems(conf)
        if not problems:
            continue
        name = f"{path.parent.name}-configuration"
        if any(item.port == TLS_PORT for item in conf.listeners) or len(problems) > 1:
            left = Unresolved(
                path=path,
                reason=Reason.AMBIGUOUS,
                detail=problems[-1].message,
                line=problems[-1].line,
                hint="mend the listener by hand; mosquitto.prod.conf shows one that works.",
            )
            yield Changeset(name=name, edits=(), unresolved=(left,))
            continue
        content = tree.read(path) or b""
        block = render.tls_listener(render.COMPOSE)
        security = render.listener_security(render.COMPOSE)
        if path not in mounted:
            security = security.splitlines(keepends=True)[0]
        after = splice(content, tls_listener_splices(content, block, security))
        yield Changeset(name=name, edits=_changed(tree, path, after))


def _folders(tree: Tree, seen: Survey) -> Iterator[Changeset]:
    confs = dict(seen.confs)
    rendering = dict(_production(seen))
    for path, conf in rendering.items():
        after = render.production_conf(render.COMPOSE, conf)
        yield _template("production-configuration", _changed(tree, path, after))
    with_list = {path.parent for path in rendering}
    folders = set()
    for broker in seen.brokers:
        # A broker may stand in several compose files; its folder is made once.
        if broker.folder not in folders:
            folders.add(broker.folder)
            yield _certificate_folder(tree, broker)
        read = confs.get(broker.conf) if broker.conf else None
        if read is not None and _is_ours(broker, read):
            with_list.add(broker.folder)
            yield _template("production-override", _override(tree, broker, read))
    for folder in sorted(with_list):
        yield _template("access-list", _missing(tree, folder / "aclfile", _acl(tree, folder)))


def _production(seen: Survey) -> Iterator[tuple[PurePosixPath, BrokerConf]]:
    """Yield each production configuration to render, with what it holds now."""
    for path, conf in seen.production:
        if production_problems(conf):
            yield path, conf
    beside = {path.parent for path, _ in seen.production}
    for folder in seen.folders:
        if folder not in beside:
            yield folder / "mosquitto.prod.conf", parse(b"")


def _certificate_folder(tree: Tree, broker: Broker) -> Changeset:
    folder = broker.folder / "certs"
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
    if content is not None:
        return _template("certificate-folder", ())
    acl = tree.read(broker.folder / "aclfile") or _acl(tree, broker.folder)
    return _template(
        "certificate-folder",
        (
            *_missing(tree, folder / ".gitignore", render.ignored()),
            *_missing(tree, folder / ".gitkeep", b""),
            *_missing(tree, readme, render.instructions(acl)),
        ),
    )


def _is_ours(broker: Broker, conf: BrokerConf) -> bool:
    """Return whether the broker's TLS is what this gap adds, or has added, and not another's."""
    added = broker.inside(PurePosixPath(render.CERTS)) == broker.folder / "certs" / "broker"
    adding = not any(item.port == TLS_PORT for item in conf.listeners)
    return added or adding or bool(unmounted(broker, conf))


def _override(tree: Tree, broker: Broker, conf: BrokerConf) -> tuple[Edit, ...]:
    path = broker.compose.with_name("docker-compose.mqtt-prod.yml")
    if not is_base(broker.compose) or all(item.encrypted for item in conf.listeners):
        return ()
    relative = posixpath.relpath(str(broker.folder), str(broker.compose.parent))
    after = render.production_override(
        base=broker.compose.name,
        name=path.name,
        service=broker.name,
        folder=f"./{relative}",
        target=str(CONFIG),
    )
    override = _missing(tree, path, after)
    curves = _missing(tree, broker.folder / "openssl.cnf", render.curves()) if override else ()
    return (*override, *curves)


def _acl(tree: Tree, folder: PurePosixPath) -> bytes:
    return render.access_list(tree.read(folder / "aclfile.example"))


def _template(name: str, edits: tuple[Edit, ...]) -> Changeset:
    return Changeset(name=name, edits=edits, source=Source.TEMPLATE)


def _missing(tree: Tree, path: PurePosixPath, content: bytes) -> tuple[Edit, ...]:
    if tree.read(path) is not None:
        return ()
    return (Edit(path=path, before=None, after=content),)


def _changed(tree: Tree, path: PurePosixPath, after: bytes) -> tuple[Edit, ...]:
    before = tree.read(path)
    if before == after:
        return ()
    return (Edit(path=path, before=before, after=after, mode=tree.mode(path)),)
