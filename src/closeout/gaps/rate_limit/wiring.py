"""Say what carries the limiters' settings to the service."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from types import MappingProxyType

from closeout.formats import compose, helm
from closeout.formats.images import run_by
from closeout.formats.settings import Setting
from closeout.formats.settings_delivery import Delivery
from closeout.model import Tree

HOPS, REDIS, PROXIES = "TRUST_PROXY_HOPS", "REDIS_URL", "TRUST_PROXY"
# Without a number the service's own `trust proxy` holds; one Redis for all; a chart's values change
# nothing until an operator sets them.
_WHAT_FOR = (
    "# Sign-in limits: proxies and gateways in front of this service that append to\n"
    "# X-Forwarded-For. Empty, what the service itself calls `trust proxy` holds."
)
_REDIS = Setting(
    name=REDIS,
    value=f"${{{REDIS}:-}}",
    chart="# Replicas share one count of failed sign-ins through Redis; empty, each counts alone.\n"
    f'{REDIS}: ""',
)
_IN_COMPOSE = Setting(
    name=PROXIES,
    value=f"${{{PROXIES}:-0}}",
    example="# Proxies before the service with the sign-in form that append to X-Forwarded-For.\n"
    f"{PROXIES}=0",
)
_NOBODY: Mapping[PurePosixPath, int] = MappingProxyType({})
_DATABASE = re.compile(rb"redis://[\w.-]+:6379/(\d+)")


def delivery(
    called: Mapping[PurePosixPath, int] = _NOBODY,
    hops: int = 1,
    counting: frozenset[PurePosixPath] = frozenset(),
) -> Delivery:
    """Return what carries the settings, `called` being services behind a gateway of the tree.

    Each has its proxies. It is for these in examples and charts: a chart's `hops` are those of the
    gateway's own. Services in `counting` have a limiter of their own, and take in compose how many
    proxies they have.
    """
    most = max(called.values(), default=0)
    told = _hops(str(hops) if called else "", str(most or ""))

    def given(tree: Tree, service: compose.ComposeService) -> tuple[Setting, ...]:
        if counting and run_by(tree, service, counting):
            return (_IN_COMPOSE,)
        started = run_by(tree, service, frozenset(called)) if called else ()
        proxies = max((called[folder] for folder in started), default=0)
        return _hops(str(proxies or ""), ""), _redis(service)

    return Delivery(in_examples=told, in_charts=(told, _REDIS), in_compose=given)


def in_cluster(hops: int) -> Delivery:
    """Return what tells a service with a limiter of its own how many proxies a cluster has."""
    told = Setting(
        name=PROXIES,
        chart="# Proxies in front of this service that append to X-Forwarded-For.\n"
        f'{PROXIES}: "{hops}"',
    )
    return Delivery(in_examples=told, in_charts=(told,), in_compose=lambda _, __: ())


def _hops(in_chart: str, in_example: str) -> Setting:
    return Setting(
        name=HOPS,
        value=f"${{{HOPS}:-{in_chart}}}",
        example=f"""\
{_WHAT_FOR}
{HOPS}={in_example}
# Replicas share one count through Redis; without it each process counts alone.
# {REDIS}=redis://localhost:6379/0""",
        chart=f'{_WHAT_FOR}\n{HOPS}: "{in_chart}"',
    )


def chart_hops(tree: Tree, gateways: Iterable[PurePosixPath]) -> int:
    """Return how many proxies a cluster puts before what the gateways call: an ingress is one."""
    return 1 + any(
        ("enabled", "true") in helm.listed(tree.read(chart.values) or b"", "ingress")
        for chart in helm.charts(tree, frozenset(gateways))
    )


def _redis(service: compose.ComposeService) -> Setting:
    """Return the file's own Redis, in a database that nobody uses yet."""
    beside = compose.services(service.path, service.content)
    images = {item.name: item.image.rpartition("/")[2].split(":")[0] for item in beside}
    store = next((name for name, image in images.items() if image == "redis"), "")
    if not store:
        return _REDIS
    used = {int(found) for found in _DATABASE.findall(service.content)}
    return replace(_REDIS, value=f"redis://{store}:6379/{max(used, default=-1) + 1}")


DELIVERY = delivery()
"""What carries them where nothing of the tree calls the service."""
