"""Let Ctrl-C end a command that is still being loaded as quietly as one that is at work.

Loads nothing but what every interpreter has: it is the first thing that a door imports, and what
`closeout.harness.environments` has an environment of ours import at its start.
"""

import os
import signal
import sys

_DOORS = frozenset({"closeout", "inv", "invoke", "nox"})
_INTERRUPTED = 130
_TOLD = (
    b"error: interrupted\n"
    b"  the command was stopped; nothing is half-written.\n"
    b"hint: run the command again.\n"
)


def quiet() -> None:
    """End this process at once, with the code for it, on a Ctrl-C that nobody else handles."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def quiet_door() -> None:
    """Do so where this interpreter runs one of the doors, by the words it was started with."""
    words = (word for word in sys.orig_argv[1:] if not word.startswith("-"))
    if next(words, "").rpartition("/")[2] in _DOORS:
        quiet()


def handed_over() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again, for a door that handles it itself from now on."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: object) -> None:
    del number, frame
    try:
        os.write(2, _TOLD)
    finally:
        os._exit(_INTERRUPTED)
