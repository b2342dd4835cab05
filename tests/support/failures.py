"""Let failures of ours through, for a search that looks for them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from closeout.console import failures


@contextmanager
def let_through() -> Iterator[None]:
    """Raise what `closeout.console.failures` notes during the block."""
    logger, handler = logging.getLogger(failures.__name__), _Raise()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Raise(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1]:
            raise record.exc_info[1]
