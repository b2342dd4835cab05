"""Tell services that only developers start: production keeps no secrets for them."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.gaps.external_secrets.inventory.commands import spoken

_TOOL = re.compile(
    r"\bprisma\S*\s+(?:.*\s)?studio\b|\b(?:adminer|pgadmin\d?|phpmyadmin|mongo-express|redisinsight"
    r"|redis-commander|mailhog|mailpit|maildev|localstack|azurite|pgweb|sqlpad|dozzle|portainer)\b",
    re.IGNORECASE,
)
_WORDS = frozenset(
    {"dev", "development", "local", "test", "tests", "e2e", "ci", "debug", "devcontainer"}
)


def is_tool(service: compose.ComposeService) -> bool:
    """Return whether a compose service looks into stores, or stands in for one."""
    said = " ".join([service.image, *(node.text for node in spoken(service))])
    return bool(_TOOL.search(said))


def is_for_development(path: PurePosixPath) -> bool:
    """Return whether a compose file says by its name or folder that production does not use it."""
    words = re.split(r"[^a-z0-9]+", f"{path.parent.name}.{path.stem}".lower())
    return not _WORDS.isdisjoint(words)
