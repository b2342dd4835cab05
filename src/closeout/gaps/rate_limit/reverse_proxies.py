"""Find the reverse proxies of a tree that sign-ins come through, and whether they say for whom."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath

from closeout.formats import compose, nginx
from closeout.formats.images import run_by
from closeout.formats.interpolation import unset
from closeout.fs.prefilter import question
from closeout.gaps.rate_limit.express.callers import Caller
from closeout.model import Reason, Tree, Unresolved

_CONFIGURES = question(
    (".conf", ".template", ".nginx"), lambda content: b"proxy_pass" in content, lambda _: True
)
_LOOPBACK = frozenset({"127.0.0.1", "::1", "[::1]", "localhost"})
_ROUTED = "traefik.http.routers."


def reverse_proxies(
    tree: Tree, known: Collection[Caller], targets: Collection[PurePosixPath]
) -> Iterator[Caller]:
    """Yield what stands before the services in `targets`, and before what calls them.

    Before a gateway it is one hop more, unless that gateway can be reached beside it: who did so
    would choose his own address.
    """
    behind = {item.folder: item.target for item in known} | {item: item for item in targets}
    started = [
        (service, folder)
        for service in compose.all_services(tree)
        for folder in run_by(tree, service, frozenset(behind))
    ]
    names = {folder.name: folder for folder in behind}
    names |= {service.name: folder for service, folder in started}
    published = {folder for service, folder in started if service.ports}
    for path, line, excerpt, folder, item in (*_nginx(tree, names), *_traefik(tree, names)):
        target = behind[folder]
        is_further = folder != target and folder not in published
        yield Caller(
            folder=path.parent,
            target=target,
            path=path,
            line=line,
            excerpt=excerpt,
            forwards=item is None or item.forwards,
            splices=() if item is None or item.forwards else ((path, item.splice),),
            hops=2 if is_further else 1,
        )


def reached_beside(tree: Tree, called: Mapping[PurePosixPath, int]) -> Iterator[Unresolved]:
    """Yield where compose publishes a service that believes the gateways before it."""
    for service in compose.all_services(tree):
        ports = [port for port in service.ports if unset(port.host) not in _LOOPBACK]
        if ports and any(called[folder] for folder in run_by(tree, service, frozenset(called))):
            yield Unresolved(
                path=service.path,
                reason=Reason.AMBIGUOUS,
                line=ports[0].node.line,
                detail=f"publishes {service.name} beside the gateway that it believes",
                hint="publish it on 127.0.0.1 alone, or not at all: whoever calls it without "
                "the gateway chooses in X-Forwarded-For which address its limits count.",
            )


def _nginx(
    tree: Tree, names: Mapping[str, PurePosixPath]
) -> Iterator[tuple[PurePosixPath, int, str, PurePosixPath, nginx.ProxyPass | None]]:
    for path in tree.candidates(_CONFIGURES) if names else ():
        for item in nginx.proxy_passes(tree.read(path) or b""):
            for host in sorted(item.hosts & names.keys()):
                yield path, item.line, item.excerpt, names[host], item


def _traefik(
    tree: Tree, names: Mapping[str, PurePosixPath]
) -> Iterator[tuple[PurePosixPath, int, str, PurePosixPath, nginx.ProxyPass | None]]:
    """Yield what a Traefik of the same compose file routes to: it always says for whom."""
    services = compose.all_services(tree) if names else ()
    routing = {
        item.path for item in services if item.image.rpartition("/")[2].startswith("traefik")
    }
    for service in services:
        labels = service.node.get("labels") if service.path in routing else None
        said = [] if labels is None else [str(entry.key or "") for entry in labels.entries]
        said += labels.scalars() if labels is not None else ()
        if service.name in names and any(text.startswith(_ROUTED) for text in said):
            yield service.path, service.node.line, service.name, names[service.name], None
