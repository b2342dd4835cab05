"""Score a suite by mutation: change its service a little, many times, and see which change is seen.

Stryker changes the billing service, mutmut the vision service, each on a copy and off the network.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from closeout import process
from closeout.errors import CloseoutError
from closeout.harness import node, service_copy
from closeout.harness.offline import offline
from closeout.harness.quality_gate import BILLING, VISION, Demand, Rows
from closeout.harness.service_copy import BILLING_SERVICE, TEST_FILE, VISION_SERVICE, ServiceCopy
from closeout.model import Observation
from closeout.resources import BUNDLE

FLOOR = 80
"""Percentage of changes that a suite has to see, whole changes compared, nothing rounded."""

DEADLINE = 1500.0
"""Seconds a whole score may take; a warm one takes a few."""

_TOOLS = BUNDLE / "suites" / "mutation"
_STRYKER = Path("@stryker-mutator")
_HINT = re.compile(rb"(Stryker\s+disable|pragma:\s*no\s+mutate)")
_FOREIGN_SETTINGS = re.compile(rb"(?m)^(\[(?:tool\.)?)(?=mutmut)")
_SHOWN = 5

_SEEN_EXIT_CODES = frozenset({1, 3, 24, -24, 36, 152, 255})
"""How mutmut writes a failed test, a broken one and the several ways of running out of time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutants:
    """What became of the changes; one that was ignored or that no test reached was not seen."""

    seen: int
    missed: tuple[str, ...]
    """Where changes were not seen."""
    files: int
    """How many files were changed at all."""

    @property
    def total(self) -> int:
        """Return how many changes there were."""
        return self.seen + len(self.missed)


def run_billing(root: Path, scratch: Path, *, cache: Path, kept: Path) -> Rows:
    """Score the billing suite and return its row.

    `cache` keeps installed packages, `kept` what became of each change: only what an edit touches
    is tried again. Tests that need a database take no part.
    """
    command = "stryker run suites/mutation/stryker.json"
    service = service_copy.copy(root, BILLING_SERVICE, scratch)
    if service is None:
        return _unproven(BILLING, f"there is no {BILLING_SERVICE}", command)
    try:
        packages = node.install(service.folder, cache)
        tools = node.install(_TOOLS, cache)
    except CloseoutError as error:
        return _unproven(BILLING, error.message, command)
    (service.folder / "node_modules").symlink_to(packages)
    lifted = service.disarm(_HINT, "src/**/*.ts")
    memory = kept / f"stryker-{_surroundings(service)}.json"
    memory.parent.mkdir(parents=True, exist_ok=True)
    alone = offline()
    result = process.run(
        (
            *alone.argv,
            *("node", tools / _STRYKER / "core" / "bin" / "stryker.js", "run"),
            _stryker_configuration(service, tools, memory),
        ),
        cwd=service.folder,
        env={**alone.env, "CI": "true"},
        deadline=DEADLINE,
    )
    mutants = read_stryker(service.written("mutation.json"))
    return _judged(BILLING, mutants, result, command, [*_lifted(lifted), alone.told])


def run_vision(root: Path, scratch: Path, *, python: Path, kept: Path) -> Rows:
    """Score the vision suite and return its row.

    `python` is the interpreter of an environment made from requirements/mutation.txt. `kept`
    keeps what became of the changes for as long as no file of the service is touched.
    """
    command = "python -m mutmut run"
    service = service_copy.copy(root, VISION_SERVICE, scratch)
    if service is None:
        return _unproven(VISION, f"there is no {VISION_SERVICE}", command)
    lifted = service.disarm(_HINT, "app/**/*.py")
    memory = kept / f"mutmut-{_digest(service, service.paths())}.json"
    alone = offline()
    told = [*_lifted(lifted), alone.told]
    if memory.is_file():
        mutants = read_mutmut(json.loads(memory.read_bytes()))
        return judge(VISION, mutants, command=command, told=[*told, "kept from an equal service"])
    _configure_mutmut(service)
    result = process.run(
        (*alone.argv, python, "-m", "mutmut", "run", "--max-children", str(os.cpu_count() or 1)),
        cwd=service.folder,
        env={**alone.env, "PYTHONHASHSEED": "random"},
        deadline=DEADLINE,
    )
    left = {
        str(path.relative_to(service.folder / "mutants")): json.loads(path.read_bytes())
        for path in sorted((service.folder / "mutants").glob("app/services/**/*.py.meta"))
    }
    mutants = read_mutmut(left)
    if result.ok and mutants.total:
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.write_text(json.dumps(left))
    return _judged(VISION, mutants, result, command, told)


def read_stryker(written: bytes) -> Mutants:
    """Return what Stryker's JSON report says; nothing readable means that nothing was changed.

    A change that does not compile is no change. One that a comment ignores was not seen.
    """
    try:
        files = json.loads(written or b"{}").get("files", {})
    except ValueError:
        files = {}
    found = [(name, item) for name, file in files.items() for item in file["mutants"]]
    missed = [
        f"{name}:{item['location']['start']['line']} {item['mutatorName']}"
        for name, item in found
        if item["status"] in {"Survived", "NoCoverage", "Ignored", "Pending"}
    ]
    seen = sum(item["status"] in {"Killed", "Timeout"} for _, item in found)
    return Mutants(seen=seen, missed=tuple(missed), files=len(files))


def read_mutmut(left: Mapping[str, Mapping[str, Any]]) -> Mutants:
    """Return what mutmut's JSON files say, by the name of each."""
    codes = [
        (mutant, code)
        for file in left.values()
        for mutant, code in file["exit_code_by_key"].items()
    ]
    missed = [mutant for mutant, code in codes if code not in _SEEN_EXIT_CODES]
    changed = sum(bool(file["exit_code_by_key"]) for file in left.values())
    return Mutants(seen=len(codes) - len(missed), missed=tuple(missed), files=changed)


def judge(
    demand: Demand, mutants: Mutants, *, command: str, told: Sequence[str], output: str = ""
) -> Rows:
    """Return the row of a score; `told` is what the run did, `output` the tool's own words."""
    if mutants.total:
        share = 100 * mutants.seen / mutants.total
        missed = ", ".join(mutants.missed[:_SHOWN])
        score = [
            f"{mutants.seen} of {mutants.total} changes seen ({share:.2f} %)",
            f"{mutants.files} files changed",
            *([f"not seen among others: {missed}"] if missed else []),
        ]
    else:
        # No change was tried: there are no services, no tests, or tests that fail as they are.
        score = ["nothing was scored", *_first_words(output)]
    seen = Observation(
        passed=mutants.total > 0 and mutants.seen * 100 >= FLOOR * mutants.total,
        expected=f"the suite sees at least {FLOOR} % of the changes made to the services",
        observed="; ".join([*score, *told]),
        command=command,
    )
    return ((f"{demand.slug}.mutation-score", demand.coverage_criterion, seen),)


def _judged(
    demand: Demand, mutants: Mutants, result: process.Result, command: str, told: Sequence[str]
) -> Rows:
    if result.code is None:
        return _unproven(demand, f"the score did not end within {DEADLINE:g} s", command)
    return judge(demand, mutants, command=command, told=told, output=result.out + result.err)


def _unproven(demand: Demand, reason: str, command: str) -> Rows:
    seen = Observation(passed=None, expected="a score", observed=reason, command=command)
    return ((f"{demand.slug}.mutation-score", demand.coverage_criterion, seen),)


def _stryker_configuration(service: ServiceCopy, tools: Path, memory: Path) -> Path:
    settings = {
        **json.loads((_TOOLS / "stryker.json").read_bytes()),
        "plugins": [str(tools / _STRYKER / "jest-runner" / "dist" / "src" / "index.js")],
        "incrementalFile": str(memory),
        "jsonReporter": {"fileName": str(service.output / "mutation.json")},
        "concurrency": os.cpu_count() or 1,
    }
    place = service.output / "stryker.json"
    place.write_text(json.dumps(settings))
    return place


def _configure_mutmut(service: ServiceCopy) -> None:
    """Give the copy our settings alone; its own might leave code out."""
    for name in ("pyproject.toml", "setup.cfg"):
        place = service.folder / name
        if place.is_file():
            place.write_bytes(_FOREIGN_SETTINGS.sub(rb"\1not-", place.read_bytes()))
    rest = sorted(item.name for item in service.folder.iterdir() if item.name != "app")
    settings = {
        "source_paths": ["app"],
        "only_mutate": ["app/services/*"],
        "also_copy": rest,
        "pytest_add_cli_args": ["-p", "no:randomly", "-p", "no:cacheprovider", "-o", "addopts="],
        "use_git_change_detection": ["false"],
    }
    lines = [f"{name}=" + "\n    ".join(values) for name, values in settings.items()]
    with (service.folder / "setup.cfg").open("a") as end:
        end.write("\n[mutmut]\n" + "\n".join(lines) + "\n")


def _surroundings(service: ServiceCopy) -> str:
    """Return the digest of what Stryker does not watch: all but services and test files."""
    paths = [
        path
        for path in service.paths()
        if not path.startswith(("src/services/", "node_modules")) and not TEST_FILE.search(path)
    ]
    return _digest(service, paths)


def _digest(service: ServiceCopy, paths: Iterable[str]) -> str:
    total = hashlib.sha256()
    own = {str(place): place for place in sorted(_TOOLS.glob("*.json"))}
    own["pins"] = BUNDLE / "requirements" / "mutation.txt"
    for name, place in {**own, **{path: service.folder / path for path in sorted(paths)}}.items():
        content = place.read_bytes() if place.is_file() else b""
        total.update(f"{name} {len(content)}\n".encode() + content)
    return total.hexdigest()[:32]


def _lifted(count: int) -> list[str]:
    return [f"{count} comments that hide code from changes lifted"] if count else []


def _first_words(output: str) -> Iterator[str]:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    words = [line for line in lines if re.search(r"(?i)error|no tests|fail", line)] or lines
    if words:
        yield words[0][:200]
