"""A monorepo whose services have other names is asked all the same."""

import os
from pathlib import Path

import pytest

from closeout.cli.commands import detect, fix
from closeout.cli.commands.probe import live_probes
from closeout.errors import ExitCode
from closeout.model import ProofKind
from closeout.runs import evidence_store
from tests.support.monorepos import reference_copy, space_for


@pytest.mark.live
@pytest.mark.needs("services-env")
def test_service_of_another_name_and_folder_is_asked(tmp_path: Path) -> None:
    """It is found by its code; a service that the order does not list is not missed."""
    tmp_path.chmod(0o755)
    root = reference_copy(tmp_path / "farmiq")
    (root / "cloud-layer" / "cloud-weather-service").rename(root / "barn-forecast")
    space = space_for(tmp_path, root)
    python = Path(os.environ["CLOSEOUT_LIVE_PYTHON"])
    assert live_probes(space, python, "headers.on-200") is ExitCode.GAPS_LEFT
    seen = {
        item.probe.partition("@")[2]: item.passed
        for item in evidence_store.gather(space.reports, root)
        if item.probe.startswith("headers.on-200")  # the others stand as left out
    }
    assert seen["barn-forecast"] is False
    assert "cloud-weather-service" not in seen
    assert None not in seen.values()


@pytest.mark.live
@pytest.mark.needs("services-env")
def test_unlisted_express_service_is_asked_before_and_after(tmp_path: Path) -> None:
    """Its open policy is seen red before the fix and green after; one without a policy is not."""
    tmp_path.chmod(0o755)
    root = reference_copy(tmp_path / "farmiq")
    (root / "cloud-layer" / "cloud-ingestion").rename(root / "cloud-layer" / "grain-intake")
    space = space_for(tmp_path, root)
    python = Path(os.environ["CLOSEOUT_LIVE_PYTHON"])
    fix.fix(space, detect.select("cors"))
    assert live_probes(space, python, "cors.evil-origin-get") is ExitCode.SETTLED
    seen = {item.probe: item for item in evidence_store.gather(space.reports, root)}
    assert seen["cors.evil-origin-get@grain-intake"].kind is ProofKind.PROOF
    assert seen["cors.evil-origin-get-with-cookie@grain-intake"].passed is True
    assert not any(probe.endswith(("@cloud-ingestion", "@cloud-tenant-registry")) for probe in seen)
