"""A real FastAPI service is red before the fix and green after it."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from closeout.fs.tree import DiskTree, Overlay
from closeout.fs.writer import copy_tree
from closeout.gaps.cors.fix import fix as derive_cors
from closeout.gaps.cors.probes import PROBES as CORS
from closeout.gaps.factory_secret.probes import PROBES as FACTORY_SECRET
from closeout.gaps.headers.fix import fix as derive_headers
from closeout.gaps.headers.probes import PROBES as HEADERS
from closeout.gaps.rate_limit.probes import PROBES as RATE_LIMIT
from closeout.harness.probe_runner import ProbeOutcome, run_battery
from closeout.model import Probe, ProofKind
from closeout.resources import BUNDLE
from tests.support.outcomes import kind_of

SERVICE = "cloud-analytics-service"
ALL = (*CORS, *RATE_LIMIT, *FACTORY_SECRET, *HEADERS)
CRITERIA = {
    *("1.1", "1.2", "1.3"),
    *("2.1", "2.2", "2.3"),
    *("4.1", "4.2"),
    *("7.1", "7.2", "7.3", "7.4"),
    *("M.1", "M.2", "M.6"),
}


def test_battery_holds_a_hundred_probes_and_serves_every_live_criterion() -> None:
    """No criterion that a hostile client can settle is without a question."""
    assert len(ALL) >= 100
    assert {probe.criterion for probe in ALL} == CRITERIA


def test_probe_ids_are_unique_and_name_their_service() -> None:
    """Evidence is kept by id: two probes of one id would hide each other."""
    repeated = [name for name, count in Counter(probe.id for probe in ALL).items() if count > 1]
    assert repeated == []
    assert all(probe.subject in probe.needs for probe in ALL)


def test_every_fastapi_service_is_asked_the_same_questions() -> None:
    """A service the order does not name is not asked less; Express has other questions."""
    fastapi = {probe.subject for probe in HEADERS}
    asked: dict[str, set[str]] = {}
    for probe in (*CORS, *HEADERS):
        if probe.subject in fastapi:
            name, _, service = probe.id.partition("@")
            asked.setdefault(service, set()).add(name)
    everywhere = set.intersection(*asked.values())
    assert len(asked) == 7
    assert len(everywhere) >= 30


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay the reference monorepo with the CORS and headers gaps closed."""
    overlay = Overlay(DiskTree(BUNDLE / "reference" / "farmiq"))
    for derive in (derive_cors, derive_headers):
        for changeset in derive(overlay):
            for edit in changeset.edits:
                overlay.lay(edit)
    folder = tmp_path_factory.mktemp("fixed")
    copy_tree(overlay, folder)
    return folder


def _about_the_service(probes: Iterable[Probe]) -> tuple[Probe, ...]:
    return tuple(probe for probe in probes if probe.subject == SERVICE)


def _kinds(outcomes: Iterable[ProbeOutcome], slug: str) -> dict[str, ProofKind]:
    return {
        outcome.probe.id.removesuffix(f"@{SERVICE}"): kind_of(outcome)
        for outcome in outcomes
        if outcome.probe.id.startswith(slug)
    }


@pytest.mark.live
@pytest.mark.needs("services-env", "chromium")
def test_service_is_red_before_the_fix_and_green_after_it(fixed: Path, tmp_path: Path) -> None:
    """The hostile questions are proofs, what worked before is a guard, and nothing regresses."""
    outcomes = run_battery(
        BUNDLE / "reference" / "farmiq",
        fixed,
        tmp_path / "scratch",
        python=Path(os.environ["CLOSEOUT_LIVE_PYTHON"]),
        probes=_about_the_service((*CORS, *HEADERS)),
        cache=tmp_path / "cache",
    )
    wrong = {
        outcome.probe.id: outcome.after.observed
        for outcome in outcomes
        if kind_of(outcome) not in {ProofKind.PROOF, ProofKind.GUARD}
    }
    assert wrong == {}
    cors = _kinds(outcomes, "cors.")
    assert cors["cors.evil-origin-preflight"] is ProofKind.PROOF
    assert cors["cors.allowed-origin"] is ProofKind.GUARD
    assert cors["cors.unset-in-production"] is ProofKind.PROOF
    headers = _kinds(outcomes, "headers.")
    assert headers["headers.on-500"] is ProofKind.PROOF
    assert headers["headers.docs-policy"] is ProofKind.GUARD
    assert headers["headers.docs-render"] is ProofKind.GUARD
    assert headers["headers.transparent"] is ProofKind.GUARD
