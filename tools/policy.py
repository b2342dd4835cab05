"""Hold our manifests to checkov's policies: what fails is waived in writing or it fails us."""

from __future__ import annotations

import json
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from closeout import process
from closeout.console.output import give, say
from closeout.errors import CloseoutError, ExitCode
from closeout.gaps.mqtt_tls.access.listing import access_list
from closeout.gaps.mqtt_tls.mosquitto import render

WAIVERS = "policy-waivers.toml"
_BROKER = "edge-mqtt-broker"
_DEADLINE = 300.0
_PLANTED = "planted"
_BAD = b"""apiVersion: v1
kind: Pod
metadata: {name: planted}
spec:
  containers: [{name: main, image: "nginx:latest", securityContext: {privileged: true}}]
"""
"""Goes along in every scan: a scanner that finds no fault in it has not looked."""

Waivers = Mapping[tuple[str, str], str]
"""Check and resource to the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """One policy that one resource does not keep; `skipped` where the manifest itself says so."""

    check: str
    name: str
    resource: str
    path: str
    line: int
    skipped: bool

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.path}:{self.line} {self.check} {self.resource}: {self.name}"


def judge(home: Path, program: Path) -> ExitCode:
    """Scan the manifests below `home`/k8s and those of a broker in a cluster.

    `program` is checkov. Raises CloseoutError("policy-unjudged") where it scanned nothing.
    """
    with tempfile.TemporaryDirectory(prefix="closeout-policy-") as name:
        folder = Path(name)
        shutil.copytree(home / "k8s", folder / "k8s")
        (folder / _BROKER).mkdir()
        access = access_list(None)
        for file, content in render.cluster_manifests(_BROKER, "farmiq-edge", access).items():
            (folder / _BROKER / file).write_bytes(content)
        (folder / _PLANTED).mkdir()
        (folder / _PLANTED / "pod.yaml").write_bytes(_BAD)
        passed, found = scan(folder, program)
    broken = tuple(item for item in found if not item.path.startswith(f"{_PLANTED}/"))
    if len(broken) == len(found):
        raise _unjudged("it finds no fault in a manifest that is bad")
    lines = tuple(unwaived(broken, load(home / WAIVERS)))
    say(f"policy: {passed} checks kept, {len(broken)} not, {len(lines)} of these without a waiver")
    for line in lines:
        say(f"  {line}")
    give("policy", {"kept": passed, "broken": len(broken), "unwaived": list(lines)})
    return ExitCode.GAPS_LEFT if lines else ExitCode.SETTLED


def scan(folder: Path, program: Path) -> tuple[int, tuple[Broken, ...]]:
    """Return how many checks were kept below `folder`, and those that were not."""
    quiet = ("--compact", "--soft-fail", "--skip-download", "-o", "json")
    done = process.run(
        [program, "-d", folder, "--framework", "kubernetes", *quiet],
        env={"LOG_LEVEL": "ERROR"},
        deadline=_DEADLINE,
    )
    try:
        told = json.loads(done.raw)
        summary, results = told["summary"], told["results"]
        broken = tuple(_broken(results["failed_checks"], skipped=False)) + tuple(
            _broken(results["skipped_checks"], skipped=True)
        )
    except (ValueError, KeyError, TypeError) as error:
        raise _unjudged(done.err.strip()[-400:] or f"its answer is unusable: {error}") from error
    if not summary["passed"]:
        raise _unjudged("it found no manifest")
    if summary["parsing_errors"]:
        raise _unjudged(f"it could not read {summary['parsing_errors']} files")
    return int(summary["passed"]), broken


def load(place: Path) -> Waivers:
    """Return the waivers of a file; raises CloseoutError("policy-waivers-unusable")."""
    try:
        entries = tomllib.loads(place.read_text())["waiver"]
        found = {(item["check"], item["resource"]): item["reason"].strip() for item in entries}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unusable(place, str(error)) from error
    if not all(found.values()) or len(found) != len(entries):
        raise _unusable(place, "a reason is empty, or an entry stands twice")
    return found


def unwaived(broken: Sequence[Broken], waivers: Waivers) -> Iterator[str]:
    """Yield what nobody waived, and each waiver that nothing needs any more."""
    for item in broken:
        if (item.check, item.resource) not in waivers:
            where = "is skipped in the manifest, and not waived" if item.skipped else "failed"
            yield f"{item}: {where}"
    needed = {(item.check, item.resource) for item in broken}
    for check, resource in waivers:
        if (check, resource) not in needed:
            yield f"{WAIVERS}: {check} of {resource} is waived, and nothing needs it; remove it"


def _broken(items: Sequence[Mapping[str, object]], *, skipped: bool) -> Iterator[Broken]:
    for item in items:
        lines = item["file_line_range"]
        yield Broken(
            check=str(item["check_id"]),
            name=str(item["check_name"]),
            resource=str(item["resource"]),
            path=str(item["file_path"]).lstrip("/"),
            line=int(lines[0]) if isinstance(lines, list) else 1,
            skipped=skipped,
        )


def _unjudged(reason: str) -> CloseoutError:
    return CloseoutError(
        "policy-unjudged",
        f"checkov judged nothing: {reason}",
        hint="run `nox -s policy`, which installs requirements/policy.txt.",
    )


def _unusable(place: Path, reason: str) -> CloseoutError:
    return CloseoutError(
        "policy-waivers-unusable",
        f"{place.name}: {reason}",
        hint="give each [[waiver]] a check, a resource and a reason.",
    )
