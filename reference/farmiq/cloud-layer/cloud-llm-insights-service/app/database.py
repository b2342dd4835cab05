"""Ask whether the database's port answers."""

import asyncio
import logging
from urllib.parse import urlsplit

logger = logging.getLogger(__name__)


async def reachable(url: str, seconds: float = 3.0) -> bool:
    """Return whether a TCP connection to the URL's host opens in time."""
    parts = urlsplit(url)
    if not parts.hostname:
        return False
    try:
        opening = asyncio.open_connection(parts.hostname, parts.port or 5432)
        _, writer = await asyncio.wait_for(opening, seconds)
    except (OSError, TimeoutError) as error:
        logger.warning("database at %s is not reachable: %s", parts.hostname, error)
        return False
    writer.close()
    return True
