"""Score the vision suite by mutation: mutmut changes the service on a copy, off the network."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from closeout import process
from closeout.fs import json_reader
from closeout.gaps.vision_tests.suites import VISION, VISION_SERVICE
from closeout.harness import mutation_score, service_copy
from closeout.harness.mutation_score import DEADLINE, HINT, Mutants
from closeout.harness.offline import offline
from closeout.harness.quality_gate import Rows
from closeout.harness.service_copy import ServiceCopy

_FOREIGN_SETTINGS = re.compile(rb"(?m)^(\[(?:tool\.)?)(?=mutmut)")

_SERVICES = ("app/services/*", "app/*_service.py")
"""Where services stand: in a folder of their own, or beside the application."""

_SEEN_EXIT_CODES = frozenset({1, 3, 24, -24, 36, 152, 255})
"""How mutmut writes a failed test, a broken one and the several ways of running out of time."""


def run(root: Path, scratch: Path, *, python: Path, kept: Path) -> Rows:
    """Score the vision suite and return its row.

    `python` is the interpreter of an environment made from requirements/mutation.txt. `kept`
    keeps what became of the changes for as long as no file of the service is touched.
    """
    command = "python -m mutmut run"
    service = service_copy.copy(root, VISION_SERVICE, scratch)
    if service is None:
        return mutation_score.unproven(VISION, f"there is no {VISION_SERVICE}", command)
    lifted = service.disarm(HINT, "app/**/*.py")
    memory = kept / f"mutmut-{mutation_score.digest(service, service.paths())}.json"
    alone = offline()
    told = [*mutation_score.lifted(lifted), alone.told]
    if memory.is_file():
        mutants = read_mutmut(json_reader.loads(memory.read_bytes()))
        return mutation_score.judge(
            VISION, mutants, command=command, told=[*told, "kept from an equal service"]
        )
    _configure_mutmut(service)
    result = process.run(
        (*alone.argv, python, "-m", "mutmut", "run", "--max-children", str(os.cpu_count() or 1)),
        cwd=service.folder,
        env={**alone.env, "PYTHONHASHSEED": "random"},
        deadline=DEADLINE,
        foreign=True,
    )
    left = {
        str(path.relative_to(service.folder / "mutants")): json_reader.loads(path.read_bytes())
        for pattern in ("app/services/**/*.py.meta", "app/*_service.py.meta")
        for path in sorted((service.folder / "mutants").glob(pattern))
    }
    mutants = read_mutmut(left)
    if result.ok and mutants.total:
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.write_text(json.dumps(left))
    return mutation_score.judge_run(VISION, mutants, result, command, told)


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


def _configure_mutmut(service: ServiceCopy) -> None:
    """Give the copy our settings alone; its own might leave code out."""
    for name in ("pyproject.toml", "setup.cfg"):
        place = service.folder / name
        if place.is_file():
            place.write_bytes(_FOREIGN_SETTINGS.sub(rb"\1not-", place.read_bytes()))
    rest = sorted(item.name for item in service.folder.iterdir() if item.name != "app")
    settings = {
        "source_paths": ["app"],
        "only_mutate": list(_SERVICES),
        "also_copy": rest,
        "pytest_add_cli_args": ["-p", "no:randomly", "-p", "no:cacheprovider", "-o", "addopts="],
        "use_git_change_detection": ["false"],
    }
    lines = [f"{name}=" + "\n    ".join(values) for name, values in settings.items()]
    with (service.folder / "setup.cfg").open("a") as end:
        end.write("\n[mutmut]\n" + "\n".join(lines) + "\n")
