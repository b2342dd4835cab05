"""The event bus's port: asked once at start-up."""

import asyncio
from urllib.parse import urlsplit


async def require(url: str, seconds: float = 3.0) -> None:
    """Open and close a connection to the broker; raise ConnectionError where that fails."""
    parts = urlsplit(url)
    if not parts.hostname:
        raise ConnectionError("RABBITMQ_URL is not set")
    try:
        opening = asyncio.open_connection(parts.hostname, parts.port or 5672)
        _, writer = await asyncio.wait_for(opening, seconds)
    except (OSError, TimeoutError) as error:
        raise ConnectionError(f"RabbitMQ at {parts.hostname} does not answer") from error
    writer.close()
