"""Plan on generated monorepos, beside what other tools take for the same purpose.

Each command runs in a process of its own, in turn with the others, and is judged by what the
system says it cost: medians, never a pass or a fail.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from closeout import process
from closeout.errors import CloseoutError
from closeout.fs import writer
from closeout.fs.tree import DiskTree
from closeout.harness import environments
from tools.bench import shapes, trees

REQUIREMENTS = "requirements/bench.txt"
SIZES = (1, 10)
MOST_MEGABYTES = 150
_ROUNDS = 3
_SETTLED = 2.1
"""Seconds after which what a run learns about a file is kept."""
_DEADLINE = 900.0

_ASK = (
    "import sys; from pathlib import Path\n"
    "from closeout.cli.commands import fix; from closeout.engine import patch_series, planner\n"
    "from closeout.gaps import GAPS\n"
    "from closeout.fs.tree import DiskTree; tree = DiskTree(Path(sys.argv[1]))\n"
)
_DETECT = f"{_ASK}planner.detect(GAPS, tree)"
_PLAN = f"{_ASK}planner.plan(GAPS, tree, lambda slug: patch_series.load(fix.PATCHES, slug))"
_AGAIN = _PLAN.replace("(Path(sys.argv[1]))", "(Path(sys.argv[1]), Path(sys.argv[2]))") + (
    "; tree.keep()"
)

# Children hold the counts of all that they waited for, so a program's helpers count as well.
_COUNTED = """
import json, os, resource, subprocess, sys
with open(os.devnull, "wb") as nowhere:
    code = subprocess.run(sys.argv[1:], stdin=nowhere, stdout=nowhere).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""

_RULES = Path(__file__).parent / "rules"
"""The same ten kinds of places, as the peers' own rules look for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A command with its name in the table; `{tree}` stands for the monorepo."""

    name: str
    argv: tuple[str, ...]
    endings: tuple[int, ...] = (0,)
    """Exit statuses of a run that did its work."""
    is_again: bool = False
    """Whether an earlier run on the same tree comes first, unmeasured."""
    touches: bool = False
    """Whether one source is edited in between, whose name stands for `{file}`."""


def _invoked(home: Path, *words: str) -> tuple[str, ...]:
    program = str(Path(sys.executable).with_name("invoke"))
    return (program, "--search-root", str(home), *words, "--root", "{tree}")


def ours(home: Path) -> tuple[Contender, ...]:
    """Return our commands: the plan alone, then what users type in the project's folder `home`."""
    told = (0, 1, 4)
    dry = _invoked(home, "fix.all", "--dry-run")
    found = (*_invoked(home, "detect.all"),)
    hook = (sys.executable, "-m", "closeout", "detect", "--root", "{tree}", "{file}")
    return (
        Contender(name="closeout: detect", argv=(sys.executable, "-c", _DETECT, "{tree}")),
        Contender(name="closeout: plan", argv=(sys.executable, "-c", _PLAN, "{tree}")),
        Contender(
            name="closeout: plan again",
            argv=(sys.executable, "-c", _AGAIN, "{tree}", "{tree}.answers"),
            is_again=True,
        ),
        Contender(name="detect.all", argv=found, endings=told),
        Contender(name="detect.all again", argv=found, endings=told, is_again=True),
        Contender(
            name="hook, one file changed", argv=hook, endings=told, is_again=True, touches=True
        ),
        Contender(name="fix.all --dry-run", argv=dry, endings=told),
        Contender(name="fix.all", argv=_invoked(home, "fix.all"), endings=told),
        Contender(
            name="fix.all again", argv=_invoked(home, "fix.all"), endings=told, is_again=True
        ),
        Contender(
            name="audit.all --quick", argv=_invoked(home, "audit.all", "--quick"), endings=told
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one command took: medians of CPU and wall seconds, and its largest process."""

    cpu: float
    wall: float
    megabytes: float


def compared(home: Path, root: Path | None = None) -> Iterator[str]:
    """Yield the lines of a table for each size, then how the work grows between the sizes.

    With a `root`, of a copy of that monorepo alone.
    """
    with tempfile.TemporaryDirectory(prefix="closeout-bench-") as folder:
        scratch = Path(folder)
        field = ours(home)
        try:
            field += peers(home)
        except CloseoutError as error:
            yield f"no peer can be installed: {error}"
        if root is not None:
            count = len(DiskTree(root).paths())
            yield from table(measure(field, root), f"{root.name}, {count} files")
            return
        measured = {}
        for times in SIZES:
            tree = trees.generate(scratch / f"tree-{times}", times)
            shapes.lay(tree, times)
            measured[times] = measure(field, tree)
            yield from table(measured[times], f"monorepo of {trees.FILES * times} files")
        yield from growth(*(measured[times] for times in SIZES))


def peers(home: Path) -> tuple[Contender, ...]:
    """Return the commands of the peers, installed apart from ours.

    Raises CloseoutError("environment-failed") where they cannot be installed.
    """
    place = home / ".nox" / ".cache" / "environments" / "bench"
    bin_folder = environments.ensure(place.absolute(), REQUIREMENTS).parent
    scan = ("ast-grep", "scan", "--rule", f"{_RULES}/ast-grep.yml")
    look = (
        *("semgrep", "scan", "--metrics=off", "--disable-version-check"),
        *("--no-git-ignore", "--quiet", "--config", f"{_RULES}/semgrep.yml"),
    )
    lines = {
        "ast-grep: scan": scan,
        "ast-grep: rewrite": (*scan, "-U"),
        "semgrep: scan": look,
        "semgrep: autofix": (*look, "--autofix"),
        "ripgrep: one literal": ("rg", "--fixed-strings", "--count", "FACTORY-SECRET"),
    }
    return tuple(
        Contender(
            name=name,
            argv=(str(bin_folder / program), *words, "{tree}"),
            endings=(0, 1) if program == "rg" else (0,),
        )
        for name, (program, *words) in lines.items()
    )


def measure(
    field: Sequence[Contender], origin: Path, rounds: int = _ROUNDS
) -> Mapping[str, Cost | None]:
    """Return what each contender took on `origin`, by name; None for one that is missing or fails.

    Each has a copy of its own, so all work on the same bytes, and what they keep is their own too.
    """
    runs: dict[str, list[Cost]] = {contender.name: [] for contender in field}
    for _ in range(rounds):
        for contender in field:
            cost = _run(contender, origin)
            if cost is not None:
                runs[contender.name].append(cost)
    return {name: _median(costs) if costs else None for name, costs in runs.items()}


def _run(contender: Contender, origin: Path) -> Cost | None:
    with tempfile.TemporaryDirectory(prefix="closeout-bench-run-") as folder:
        tree = Path(folder) / "tree"
        writer.copy_tree(DiskTree(origin), tree)
        if contender.is_again:
            time.sleep(_SETTLED)
            _spent(contender, tree)
        if contender.touches:
            with _source(tree).open("a") as stream:
                stream.write("\n")
        return _spent(contender, tree)


def _source(tree: Path) -> Path:
    """Return the tree's largest TypeScript file that no folder of dependencies holds."""
    paths = DiskTree(tree).ending(frozenset({".ts"}))
    return max(
        (tree / path for path in paths), key=lambda place: place.stat().st_size, default=tree
    )


def table(costs: Mapping[str, Cost | None], title: str) -> Iterator[str]:
    """Yield a line a contender, each with the ratio of our plan's CPU seconds to its own."""
    plan = costs["closeout: plan"]
    yield f"{title:<34} {'CPU s':>8} {'wall s':>8} {'peak MB':>8} {'plan / it':>10}"
    for name, cost in costs.items():
        if cost is None:
            yield f"  {name:<32} MISSING: it is not installed, or it failed"
            continue
        ratio = f"{plan.cpu / cost.cpu:.2f}" if plan and cost.cpu else "-"
        yield (
            f"  {name:<32} {cost.cpu:>8.2f} {cost.wall:>8.2f} {cost.megabytes:>8.0f} {ratio:>10}"
        )


def growth(small: Mapping[str, Cost | None], large: Mapping[str, Cost | None]) -> Iterator[str]:
    """Yield how many times the CPU of the small tree each contender took for the large one."""
    yield f"growth of CPU from {SIZES[0]}x to {SIZES[1]}x the tree"
    for name, before in small.items():
        after = large[name]
        told = f"{after.cpu / before.cpu:.1f} times" if before and after else "MISSING"
        yield f"  {name:<32} {told}"
    plan = large["closeout: plan"]
    if plan:
        word = "below" if plan.megabytes < MOST_MEGABYTES else "ABOVE"
        yield f"  our peak is {word} {MOST_MEGABYTES} MB: {plan.megabytes:.0f} MB"


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        cpu=statistics.median(cost.cpu for cost in costs),
        wall=statistics.median(cost.wall for cost in costs),
        megabytes=max(cost.megabytes for cost in costs),
    )


def _spent(contender: Contender, tree: Path) -> Cost | None:
    named = str(_source(tree)) if contender.touches else ""
    argv = [word.replace("{tree}", str(tree)).replace("{file}", named) for word in contender.argv]
    if not Path(argv[0]).is_file():
        return None
    result = process.run(
        [sys.executable, "-c", _COUNTED, *argv],
        cwd=tree.parent,
        env={
            "CLOSEOUT_HOME": str(tree.parent),
            "CLOSEOUT_CACHE": str(tree.parent / "cache"),
            "PYTHONDONTWRITEBYTECODE": "",  # who installs it has it compiled
        },
        deadline=_DEADLINE,
    )
    if not result.ok:
        return None
    code, cpu, megabytes = json.loads(result.out)
    if code not in contender.endings:
        return None
    return Cost(cpu=cpu, wall=result.seconds, megabytes=megabytes)
