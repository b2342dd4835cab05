"""While one command is suspended anywhere, no other writes; who holds the tree is told."""

import signal

import pytest

from closeout.fs.walk import JOURNAL
from tests.attack import arena
from tests.attack.arena import Arena


@pytest.mark.parametrize("suspended", ["fix", "undo"])
def test_nothing_comes_between_a_suspended_command_and_its_end(ring: Arena, suspended: str) -> None:
    """The other is told that the tree is held; the first goes on as if nothing had been.

    In its last steps the first has written all and gives the tree free: the other may be done then.
    """
    act, wanted = (ring.fix, "after") if suspended == "fix" else (ring.undo, "before")
    ring.renew(fixed=suspended == "undo")
    steps = arena.steps_of(act, ring.space, ring.folder)
    chance = arena.chance(3)
    busy = 0
    for number in arena.rounds(4, 50):
        ring.renew(fixed=suspended == "undo")
        step = chance.randrange(5, steps) if number % 3 else steps - 1 - number // 3
        child = arena.start(act, ring.space, step, arena.suspend)
        assert child.suspended()
        was = ring.state()
        code = arena.start(ring.undo if number % 2 else ring.fix, ring.space).wait()
        busy += code == arena.BUSY
        now = ring.state()
        child.send(signal.SIGCONT)
        ended = child.wait()
        assert ended == 0, f"the first ended {ended} after step {step}"
        if code == arena.BUSY:
            assert (now, ring.state()) == (was, wanted), f"step {step}"
        else:
            done = "before" if number % 2 else "after"
            assert (code, was, now) == (0, wanted, done), f"step {step} of {steps}"
            assert ring.state() == done
        assert not (ring.root / JOURNAL).exists()
    arena.told(f"suspensions of {suspended}", rounds=len(arena.rounds(4, 50)), busy=busy)
