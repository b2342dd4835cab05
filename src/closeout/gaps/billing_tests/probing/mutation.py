"""Score the billing suite by mutation: Stryker changes the service on a copy, off the network."""

from __future__ import annotations

import json
import os
from pathlib import Path

from closeout import process
from closeout.errors import CloseoutError
from closeout.fs import json_reader
from closeout.gaps.billing_tests.suites import BILLING, BILLING_SERVICE
from closeout.harness import mutation_score, node, service_copy
from closeout.harness.mutation_score import DEADLINE, HINT, TOOLS, Mutants
from closeout.harness.offline import offline
from closeout.harness.quality_gate import Rows
from closeout.harness.service_copy import TEST_FILE, ServiceCopy

_STRYKER = Path("@stryker-mutator")


def run(root: Path, scratch: Path, *, cache: Path, kept: Path) -> Rows:
    """Score the billing suite and return its row.

    `cache` keeps installed packages, `kept` what became of each change: only what an edit touches
    is tried again. Tests that need a database take no part.
    """
    command = "stryker run suites/mutation/stryker.json"
    service = service_copy.copy(root, BILLING_SERVICE, scratch)
    if service is None:
        return mutation_score.unproven(BILLING, f"there is no {BILLING_SERVICE}", command)
    try:
        packages = node.install(service.folder, cache)
        tools = node.install(TOOLS, cache)
    except CloseoutError as error:
        return mutation_score.unproven(BILLING, error.message, command)
    (service.folder / "node_modules").symlink_to(packages)
    lifted = service.disarm(HINT, "src/**/*.ts")
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
        foreign=True,
    )
    mutants = read_stryker(service.written("mutation.json"))
    return mutation_score.judge_run(
        BILLING, mutants, result, command, [*mutation_score.lifted(lifted), alone.told]
    )


def read_stryker(written: bytes) -> Mutants:
    """Return what Stryker's JSON report says; nothing readable means that nothing was changed.

    A change that does not compile is no change. One that a comment ignores was not seen.
    """
    files = json_reader.mapping(written).get("files", {})
    found = [(name, item) for name, file in files.items() for item in file["mutants"]]
    missed = [
        f"{name}:{item['location']['start']['line']} {item['mutatorName']}"
        for name, item in found
        if item["status"] in {"Survived", "NoCoverage", "Ignored", "Pending"}
    ]
    seen = sum(item["status"] in {"Killed", "Timeout"} for _, item in found)
    return Mutants(seen=seen, missed=tuple(missed), files=len(files))


def _stryker_configuration(service: ServiceCopy, tools: Path, memory: Path) -> Path:
    settings = {
        **json_reader.loads((TOOLS / "stryker.json").read_bytes()),
        "plugins": [str(tools / _STRYKER / "jest-runner" / "dist" / "src" / "index.js")],
        "incrementalFile": str(memory),
        "jsonReporter": {"fileName": str(service.output / "mutation.json")},
        "concurrency": os.cpu_count() or 1,
    }
    place = service.output / "stryker.json"
    place.write_text(json.dumps(settings))
    return place


def _surroundings(service: ServiceCopy) -> str:
    """Return the digest of what Stryker does not watch: all but services and test files."""
    paths = [
        path
        for path in service.paths()
        if not path.startswith(("src/services/", "node_modules")) and not TEST_FILE.search(path)
    ]
    return mutation_score.digest(service, paths)
