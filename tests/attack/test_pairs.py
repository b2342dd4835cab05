"""Two commands at once on one tree: one is done, then the other or not, and nothing is mixed."""

import pytest

from tests.attack import arena
from tests.attack.arena import Arena


@pytest.mark.parametrize("pair", ["fix fix", "fix undo", "undo undo"])
def test_two_commands_at_once_leave_a_whole_tree(ring: Arena, pair: str) -> None:
    """Each ends well, or is told that the tree is held; an undo may find nothing to undo."""
    acts = {"fix": ring.fix, "undo": ring.undo}
    chance = arena.chance(4)
    busy = 0
    for _ in arena.rounds(3, 34):
        ring.renew(fixed=pair == "undo undo")
        first, second = (acts[name] for name in pair.split())
        one = arena.start(first, ring.space)
        arena.pause(chance, arena.seconds(0.15, 5.0))
        other = arena.start(second, ring.space)
        codes = one.wait(), other.wait()
        busy += arena.BUSY in codes
        assert set(codes) <= {0, arena.BUSY}, codes
        assert 0 in codes
        assert ring.state() in {"before", "after"}
        while arena.start(ring.undo, ring.space).wait() == 0:
            pass
        assert ring.state() == "before"
    arena.told(f"pairs of {pair}", rounds=len(arena.rounds(3, 34)), one_refused=busy)
