"""Splice TLS into a broker's Kubernetes manifests: configuration, secret, ports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice, all_spliced, splice
from closeout.gaps.mqtt_tls.access.callers import Callers
from closeout.gaps.mqtt_tls.access.listing import access_list
from closeout.gaps.mqtt_tls.access.members import members
from closeout.gaps.mqtt_tls.kubernetes.manifests import ConfigMap, Manifests, Workload
from closeout.gaps.mqtt_tls.mosquitto import render
from closeout.gaps.mqtt_tls.mosquitto.configuration import Listener, parse, production_problems
from closeout.gaps.mqtt_tls.mosquitto.separation import governed
from closeout.gaps.mqtt_tls.production import list_of, unread
from closeout.model import Changeset, Edit, Reason, Source, Tree, Unresolved
from closeout.parsing.yaml import Node, append

_GROUP = 1883
"""The group of the broker's user in the eclipse-mosquitto image."""


_Pages = dict[PurePosixPath, list[Splice]]
"""Splices by file."""


def cluster_changesets(
    tree: Tree, found: tuple[Manifests, ...], known: Callers
) -> Iterator[Changeset]:
    """Yield one changeset a broker that is still open in a cluster."""
    for item in found:
        config = item.config
        if not production_problems(config.conf) and not item.plain_ports and not unread(item):
            continue
        name = f"{config.name}-cluster"
        try:
            yield Changeset(name=name, edits=_edits(tree, item, known))
            yield from _certificate(tree, item, known)
        except ValueError as error:
            left = Unresolved(
                path=config.path,
                reason=Reason.AMBIGUOUS,
                detail=str(error),
                line=config.line,
                hint="move who dials plaintext to 8883 first, or edit the manifest by hand.",
            )
            yield Changeset(name=name, edits=(), unresolved=(left,))


def _edits(tree: Tree, item: Manifests, known: Callers) -> tuple[Edit, ...]:
    pages: _Pages = defaultdict(list)
    if production_problems(item.config.conf):
        if len(item.workloads) != 1:
            message = "not exactly one workload beside it mounts this map as a folder or by its key"
            raise ValueError(message)
        if item.folder.callers:
            message = f"{item.folder.callers[0]} dials its port 1883, which it would lose"
            raise ValueError(message)
        workload = item.workloads[0]
        _configure(tree, pages, item.config, workload, known)
        _mount(tree, pages, workload, _secret(item))
        if item.folder.resources and _wants_certificate(tree, item):
            path, node = item.folder.resources
            pages[path].append(append(tree.read(path) or b"", node).splice("- certificate.yaml"))
    elif open_to_all := unread(item):
        _govern(tree, pages, item, open_to_all)
    for path, port in item.plain_ports:
        pages[path].append(Splice(start=port.start, end=port.end, text="8883"))
    return all_spliced(tree, pages)


def _govern(tree: Tree, pages: _Pages, item: Manifests, listeners: Sequence[Listener]) -> None:
    content, value = tree.read(item.config.path) or b"", item.config.entry.value
    text = value.text.encode()
    after = splice(text, governed(text, listeners, list_of(item))).decode()
    pages[item.config.path].append(_block(content, value, after, item.config.data.indent))


def _certificate(tree: Tree, item: Manifests, known: Callers) -> Iterator[Changeset]:
    """Yield what makes the secret that the workload now mounts, unless something does already."""
    if not production_problems(item.config.conf) or not _wants_certificate(tree, item):
        return
    path = item.config.path.with_name("certificate.yaml")
    config = item.config
    acl = config.data.get("aclfile")
    users = parse(access_list(acl.text.encode() if acl else _example(tree), known)).values("user")
    held = members(tree, known, users)
    after = render.cluster_certificate(
        item.config.broker,
        config.namespace or "default",
        _secret(item),
        [user for user in users if user in held],
        workload=item.workloads[0].called,
    )
    edit = Edit(path=path, before=None, after=after)
    yield Changeset(name=f"{config.name}-certificate", edits=(edit,), source=Source.TEMPLATE)


def _wants_certificate(tree: Tree, item: Manifests) -> bool:
    path = item.config.path.with_name("certificate.yaml")
    return _secret(item) not in item.folder.promised and tree.read(path) is None


def _secret(item: Manifests) -> str:
    return f"{item.config.broker}-tls"


def _configure(
    tree: Tree, pages: _Pages, config: ConfigMap, workload: Workload, known: Callers
) -> None:
    content = tree.read(config.path) or b""
    value = config.entry.value
    held = config.data.get("aclfile")
    acl = workload.single.get("aclfile", f"{workload.folder}/aclfile")
    place = replace(render.CLUSTER, acl=acl)
    text = render.production_conf(
        place, config.conf, known.several, is_shared=workload.shares_loopback
    ).decode()
    pages[config.path].append(_block(content, value, text, config.data.indent))
    example = held.text.encode() if held is not None else _example(tree)
    added = {"aclfile": access_list(example, known), "openssl.cnf": render.curves()}
    if held is not None and content[held.start : held.end].startswith(b"|"):
        own = added["aclfile"].decode()
        pages[config.path].append(_block(content, held, own, config.data.indent))
    lines = [
        f"{name}: {_literal(made.decode(), 0)}"
        for name, made in added.items()
        if config.data.get(name) is None
    ]
    if lines:
        pages[config.path].append(append(content, config.data).splice("\n".join(lines)))


def _example(tree: Tree) -> bytes | None:
    """Return the tree's one example of an access list: cluster and compose speak of one broker."""
    found = [
        path for path in tree.ending(frozenset({".example"})) if path.name == "aclfile.example"
    ]
    return tree.read(found[0]) if len(found) == 1 else None


def _mount(tree: Tree, pages: _Pages, workload: Workload, secret: str) -> None:
    content = tree.read(workload.path) or b""
    mounts, volumes = workload.container.get("volumeMounts"), workload.pod.get("volumes")
    if mounts is None or volumes is None or mounts.flow or volumes.flow:
        message = "the workload's volumes are not written as lists"
        raise ValueError(message)
    single = [
        f"\n- name: {workload.volume}\n  mountPath: {workload.folder}/{key}\n  subPath: {key}"
        for key in ("aclfile", "openssl.cnf")
        if workload.single and key not in workload.single
    ]
    certs = f"- name: mqtt-tls\n  mountPath: {render.CLUSTER_CERTS}\n  readOnly: true"
    for node, text in (
        (mounts, certs + "".join(single)),
        (volumes, f"- name: mqtt-tls\n  secret:\n    secretName: {secret}\n    defaultMode: 0440"),
    ):
        pages[workload.path].append(append(content, node).splice(text))
    variable = f"- name: OPENSSL_CONF\n  value: {workload.folder}/openssl.cnf"
    given = workload.container.get("env")
    if given is None:
        text = "env:\n" + "\n".join(f"  {line}" for line in variable.splitlines())
        pages[workload.path].append(append(content, workload.container).splice(text))
    elif not given.flow and b"OPENSSL_CONF" not in content[given.start : given.end]:
        pages[workload.path].append(append(content, given).splice(variable))
    context = workload.pod.get("securityContext")
    note = "# The broker's group reads the key."
    if context is None:
        # Ahead of the pod's first key: comments may stand below its last one.
        start, pad = workload.pod.entries[0].start, " " * workload.pod.indent
        text = f"securityContext:\n{pad}  {note}\n{pad}  fsGroup: {_GROUP}\n{pad}"
        pages[workload.path].append(Splice(start=start, end=start, text=text))
    elif context.get("fsGroup") is None:
        pages[workload.path].append(append(content, context).splice(f"{note}\nfsGroup: {_GROUP}"))


def _block(content: bytes, value: Node, text: str, indent: int) -> Splice:
    """Return what replaces a literal block; raises ValueError where it is none."""
    if not content[value.start : value.end].startswith(b"|"):
        message = "the configuration is not written as a literal block"
        raise ValueError(message)
    return Splice(start=value.start, end=value.end, text=_literal(text, indent))


def _literal(text: str, indent: int) -> str:
    """Return `text` as a literal block whose lines stand two columns right of `indent`."""
    margin = " " * (indent + 2)
    lines = [margin + line if line else "" for line in text.rstrip("\n").split("\n")]
    return "|\n" + "\n".join(lines)
