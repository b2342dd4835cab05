"""Killed at any step, a fix or an undo leaves a tree that the very next command makes whole."""

from closeout.fs.walk import JOURNAL
from closeout.runs.workspace import Workspace
from tests.attack import arena
from tests.attack.arena import Arena

WAYS = ("undo", "fix", "undo from another home", "undo after a rename")


def _next(ring: Arena, way: str) -> int:
    """Do the next command in one of the ways that somebody may come to it."""
    space = ring.space
    if "another home" in way:
        space = Workspace(home=ring.folder / "elsewhere", root=ring.root, origin="attack")
    if "rename" in way:
        moved = ring.root.rename(ring.folder / "moved")
        space = Workspace(home=ring.folder / "elsewhere", root=moved, origin="attack")
    code = arena.start(ring.fix if way == "fix" else ring.undo, space).wait()
    if "rename" in way:
        space.root.rename(ring.root)
    return code


def test_killed_fix_is_whole_after_the_next_command(ring: Arena) -> None:
    """By undo or fix, from this home or another, in its place or moved."""
    steps = arena.steps_of(ring.fix, ring.space, ring.folder)
    chance = arena.chance(1)
    half = 0
    for number in arena.rounds(12, 350):
        ring.renew()
        way = WAYS[number % len(WAYS)]
        step = chance.randrange(steps)
        assert arena.start(ring.fix, ring.space, step, arena.kill).wait() == -9
        state = ring.state()
        half += state == "mixed"
        code = _next(ring, way)
        wanted = {"after"} if way == "fix" else {"before"}
        if state == "after" and "undo " in way:
            wanted = {"after", "before"}  # whole already, and its run is in another home
        assert ring.state() in wanted, f"{way} after a kill at step {step}: {ring.state()}"
        assert code in {0, 2}, f"{way} after a kill at step {step} ended {code}"
        assert not (ring.root / JOURNAL).exists()
    arena.told("kills of a fix", rounds=len(arena.rounds(12, 350)), steps=steps, half_written=half)
    assert half or arena.is_short()


def test_killed_undo_is_whole_after_the_next_command(ring: Arena) -> None:
    """An undo finishes what it began; a fix goes back to what was fixed."""
    ring.renew(fixed=True)
    steps = arena.steps_of(ring.undo, ring.space, ring.folder)
    chance = arena.chance(2)
    half = 0
    for number in arena.rounds(6, 200):
        ring.renew(fixed=True)
        step = chance.randrange(steps)
        assert arena.start(ring.undo, ring.space, step, arena.kill).wait() == -9
        half += ring.state() == "mixed"
        way = WAYS[number % 2]
        code = _next(ring, way)
        wanted = "after" if way == "fix" else "before"
        assert ring.state() == wanted, f"{way} after a kill at step {step}: {ring.state()}"
        assert code in {0, 2}, f"{way} after a kill at step {step} ended {code}"
    arena.told("kills of an undo", rounds=len(arena.rounds(6, 200)), steps=steps, half_written=half)
    assert half or arena.is_short()
