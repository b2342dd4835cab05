"""Plan on generated monorepos, beside what other tools take for the same purpose.

Each command runs in a process of its own, in turn with the others, and is judged by what the
system says it cost: medians, never a pass or a fail.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from closeout import process
from closeout.errors import CloseoutError
from closeout.fs import writer
from closeout.fs.tree import DiskTree
from closeout.harness import environments
from closeout.runs.workspace import REFERENCE
from tools.bench import trees

REQUIREMENTS = "requirements/bench.txt"
SIZES = (1, 10)
MOST_MEGABYTES = 150
_ROUNDS = 3
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

_AST_GREP = """\
id: cors-wildcard
language: python
rule: {pattern: {context: 'f(allow_origins=["*"])', selector: keyword_argument}}
fix: allow_origins=ALLOWED_ORIGINS
---
id: login-limiter
language: typescript
rule: {pattern: "$ROUTER.post('/login', $$$REST)"}
fix: $ROUTER.post('/login', loginLimiter, $$$REST)
"""

_SEMGREP = """\
rules:
  - id: cors-wildcard
    languages: [python]
    severity: ERROR
    message: a wildcard
    pattern: $APP.add_middleware($CLASS, ..., allow_origins=["*"], ...)
    fix-regex: {regex: 'allow_origins=\\["\\*"\\]', replacement: allow_origins=ALLOWED_ORIGINS}
  - id: login-limiter
    languages: [typescript]
    severity: ERROR
    message: no limiter
    pattern: $ROUTER.post('/login', ...)
    fix-regex: {regex: "post\\\\('/login',", replacement: "post('/login', loginLimiter,"}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A command with its name in the table; `{tree}` stands for the monorepo."""

    name: str
    argv: tuple[str, ...]
    endings: tuple[int, ...] = (0,)
    """Exit statuses of a run that did its work."""
    is_again: bool = False
    """Whether an earlier run on the same tree comes first, unmeasured."""


OURS: tuple[Contender, ...] = (
    Contender(name="closeout: detect", argv=(sys.executable, "-c", _DETECT, "{tree}")),
    Contender(name="closeout: plan", argv=(sys.executable, "-c", _PLAN, "{tree}")),
    Contender(
        name="closeout: plan again",
        argv=(sys.executable, "-c", _AGAIN, "{tree}", "{tree}.answers"),
        is_again=True,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one command took: medians of CPU and wall seconds, and its largest process."""

    cpu: float
    wall: float
    megabytes: float


def compared(home: Path) -> Iterator[str]:
    """Yield the lines of a table for each size, then how the work grows between the sizes."""
    with tempfile.TemporaryDirectory(prefix="closeout-bench-") as folder:
        scratch = Path(folder)
        field = OURS
        try:
            field += peers(home, scratch)
        except CloseoutError as error:
            yield f"no peer can be installed: {error}"
        measured = {}
        for times in SIZES:
            tree = trees.generate(scratch / f"tree-{times}", times)
            measured[times] = measure(field, tree)
            yield from table(measured[times], f"monorepo of {trees.FILES * times} files")
        yield from growth(*(measured[times] for times in SIZES))


def peers(home: Path, scratch: Path) -> tuple[Contender, ...]:
    """Return the commands of the peers, installed apart from ours, with rules in `scratch`.

    Raises CloseoutError("environment-failed") where they cannot be installed.
    """
    place = home / ".nox" / ".cache" / "environments" / "bench"
    bin_folder = environments.ensure(place.absolute(), REQUIREMENTS).parent
    rules = scratch / "rules"
    rules.mkdir()
    writer.durable_write(rules / "ast-grep.yml", _AST_GREP.encode())
    writer.durable_write(rules / "semgrep.yml", _SEMGREP.encode())
    lines = {
        "ast-grep: rewrite": ("ast-grep", "scan", "--rule", f"{rules}/ast-grep.yml", "-U"),
        "semgrep: autofix": (
            *("semgrep", "scan", "--autofix", "--metrics=off", "--disable-version-check"),
            *("--no-git-ignore", "--quiet", "--config", f"{rules}/semgrep.yml"),
        ),
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
    field: Sequence[Contender], tree: Path, rounds: int = _ROUNDS
) -> Mapping[str, Cost | None]:
    """Return what each contender took on `tree`, by name; None for one that is missing or fails.

    What a peer rewrites is put back before the next one, so all work on the same bytes.
    """
    runs: dict[str, list[Cost]] = {contender.name: [] for contender in field}
    for _ in range(rounds):
        for contender in field:
            writer.copy_tree(DiskTree(REFERENCE), tree)
            if contender.is_again:
                _spent(contender, tree)
            cost = _spent(contender, tree)
            if cost is not None:
                runs[contender.name].append(cost)
    return {name: _median(costs) if costs else None for name, costs in runs.items()}


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
    argv = [word.replace("{tree}", str(tree)) for word in contender.argv]
    if not Path(argv[0]).is_file():
        return None
    result = process.run(
        [sys.executable, "-c", _COUNTED, *argv], cwd=tree.parent, deadline=_DEADLINE
    )
    if not result.ok:
        return None
    code, cpu, megabytes = json.loads(result.out)
    if code not in contender.endings:
        return None
    return Cost(cpu=cpu, wall=result.seconds, megabytes=megabytes)
