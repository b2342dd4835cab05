"""Say what carries the limiters' settings to the service."""

from __future__ import annotations

import re
from dataclasses import replace

from closeout.formats import compose
from closeout.formats.settings_delivery import Delivery, Setting
from closeout.model import Tree

HOPS, REDIS = "TRUST_PROXY_HOPS", "REDIS_URL"
# No proxy is trusted unless told, one Redis for all; a chart's values change nothing until an
# operator sets them.
_HOPS = Setting(
    name=HOPS,
    value=f"${{{HOPS}:-0}}",
    example=f"""\
# Sign-in limits: proxies in front of this service that append to X-Forwarded-For.
{HOPS}=0
# Replicas share one count through Redis; without it each process counts alone.
# {REDIS}=redis://localhost:6379/0""",
    chart=f'# Proxies in front of this service that append to X-Forwarded-For.\n{HOPS}: "0"',
)
_REDIS = Setting(
    name=REDIS,
    value=f"${{{REDIS}:-}}",
    chart="# Replicas share one count of failed sign-ins through Redis; empty, each counts alone.\n"
    f'{REDIS}: ""',
)
_DATABASE = re.compile(rb"redis://[\w.-]+:6379/(\d+)")


def _in_compose(_: Tree, service: compose.ComposeService) -> tuple[Setting, ...]:
    """Return the settings; the Redis is the file's own, in a database that nobody uses yet."""
    beside = compose.services(service.path, service.content)
    store = next((item.name for item in beside if _is_redis(item)), "")
    if not store:
        return _HOPS, _REDIS
    used = {int(found) for found in _DATABASE.findall(service.content)}
    url = f"redis://{store}:6379/{max(used, default=-1) + 1}"
    return _HOPS, replace(_REDIS, value=url)


def _is_redis(service: compose.ComposeService) -> bool:
    return service.image.rpartition("/")[2].split(":")[0] == "redis"


DELIVERY = Delivery(in_examples=_HOPS, in_charts=(_HOPS, _REDIS), in_compose=_in_compose)
