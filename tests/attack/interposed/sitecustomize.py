"""What a command under attack loads at its start: it is stopped at one of its steps.

ATTACK_STEP is the number of the step, counted from when the tree's lock is taken; ATTACK_WITH says
what comes before it: a signal's number, or `full` for a disk without room. ATTACK_STEPS is a file
for how many steps there were.
"""

import atexit
import errno
import os
import signal

from closeout.cli import early

STEPS = ("fsync", "link", "mkdir", "open", "replace", "rmdir", "unlink")
LOCK = ".closeout-journal"
_taken = -1


def _attacked(with_what: str) -> None:
    if with_what == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    signal.raise_signal(int(with_what))


def _counted(honest, step, with_what):  # noqa: ANN001, ANN202 - stands in for functions of `os`
    def call(*given, **named):  # noqa: ANN002, ANN003, ANN202 - the same
        global _taken  # noqa: PLW0603 - one count a process
        if _taken < 0 and honest.__name__ == "mkdir" and given[0] == LOCK:
            _taken = 0
        if _taken >= 0 and (honest.__name__ != "open" or given[1] & os.O_CREAT):
            _taken += 1
            if _taken - 1 == step:
                _attacked(with_what)
        return honest(*given, **named)

    call.__name__ = honest.__name__
    return call


def _interpose(step: int, with_what: str) -> None:
    for name in STEPS:
        setattr(os, name, _counted(getattr(os, name), step, with_what))
    os.supports_dir_fd = os.supports_dir_fd | {getattr(os, name) for name in STEPS}


def _tell(place: str) -> None:
    with open(place, "w") as stream:  # noqa: PTH123 - nothing is loaded that the command may not
        stream.write(str(max(_taken, 0)))


if "ATTACK_STEP" in os.environ:
    early.quiet_door()  # as an environment of ours begins
    _interpose(int(os.environ["ATTACK_STEP"]), os.environ.get("ATTACK_WITH", ""))
    if "ATTACK_STEPS" in os.environ:
        atexit.register(_tell, os.environ["ATTACK_STEPS"])
