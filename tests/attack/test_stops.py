"""Asked to end at any moment, a fix ends with 130 and a tree that is whole by itself."""

import itertools
import signal
import time

from closeout.fs.walk import JOURNAL
from tests.attack import arena
from tests.attack.arena import Arena

_TURNS = 4
ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def test_stop_at_a_random_moment_leaves_a_whole_tree(ring: Arena) -> None:
    """The whole command this time, planning and judging too; half of it while it writes."""
    chance = arena.chance(7)
    longest = arena.seconds(0.2, 1.0)
    begun = time.monotonic()
    arena.start(ring.whole_fix, ring.space).wait()
    whole = time.monotonic() - begun
    stopped = 0
    rounds = list(arena.rounds(4, 50))
    for turn, number in itertools.product(range(_TURNS), rounds):
        if turn and stopped:
            break
        # A machine that is quicker now than when it was timed is asked sooner, turn by turn.
        ring.renew()
        child = arena.start(ring.fix if number % 2 else ring.whole_fix, ring.space)
        arena.pause(chance, (longest if number % 2 else whole) / 2**turn)
        child.send(ASKING[number % len(ASKING)])
        code = child.wait()
        stopped += code == arena.STOPPED
        if code < 0:  # it had not come to what handles such signals
            assert ASKING[number % len(ASKING)] is not signal.SIGINT
            assert ring.state() == "before"
            continue
        assert code in {*arena.DONE, arena.STOPPED}, code
        assert code == arena.STOPPED or ring.state() == "after"
        assert ring.state() in {"before", "after"}
        assert not (ring.root / JOURNAL).exists()
    arena.told("stops", rounds=len(rounds), ended_130=stopped)
    assert stopped or arena.is_short()


def test_stop_at_a_step_puts_everything_back(ring: Arena) -> None:
    """Between any two steps of writing."""
    steps = arena.steps_of(ring.fix, ring.space, ring.folder)
    chance = arena.chance(8)
    whole = 0
    for number in arena.rounds(6, 50):
        ring.renew()
        asking = ASKING[number % len(ASKING)]
        child = arena.start(
            ring.fix,
            ring.space,
            chance.randrange(steps),
            arena.stop(asking),
        )
        code = child.wait()
        state = ring.state()
        # One that comes while a whole tree is given free may find the command already ended.
        assert code == arena.STOPPED or (code, state) == (0, "after")
        whole += state == "before"
        assert state in {"before", "after"}
        assert not (ring.root / JOURNAL).exists()
    arena.told("stops at a step", rounds=len(arena.rounds(6, 50)), put_back=whole)
    assert whole or arena.is_short()
