"""The suites for services of other shapes run for real on services of those shapes."""

import os
import re
from pathlib import Path, PurePosixPath

import pytest

from closeout import process
from closeout.fs import writer
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps.billing_tests import GAP as BILLING_GAP
from closeout.gaps.billing_tests.probing import suite as billing_suite
from closeout.gaps.billing_tests.suites import BILLING_SERVICE
from closeout.gaps.cors import GAP as CORS_GAP
from closeout.gaps.vision_tests import GAP as VISION_GAP
from closeout.gaps.vision_tests.probing import suite as vision_suite
from closeout.gaps.vision_tests.suites import VISION_SERVICE
from closeout.harness.quality_gate import Rows
from closeout.model import Gap
from tests.support import foreign_services

pytestmark = pytest.mark.live


def fixed(gap: Gap, service: PurePosixPath, root: Path) -> Path:
    """Return `root` with the foreign service and its suite."""
    overlay = Overlay(MemoryTree(foreign_services.files(service)))
    for changeset in gap.fix(overlay):
        assert changeset.unresolved == ()
        for edit in changeset.edits:
            overlay.lay(edit)
    writer.copy_tree(overlay, root)
    return root


def observed(rows: Rows) -> dict[str, tuple[bool | None, str]]:
    """Return each criterion's verdict and what was seen."""
    return {criterion: (seen.passed, seen.observed) for _, criterion, seen in rows}


def shares(told: str) -> list[float]:
    """Return the percentages of statements and of branches."""
    return [float(share) for share in re.findall(r"([\d.]+) %", told)]


@pytest.mark.needs("npm")
def test_billing_suite_passes_on_prisma_functions_without_a_generated_client(
    cache: Path, tmp_path: Path
) -> None:
    """Every source file is measured, the entry point too; Prisma and Stripe are not installed."""
    root = fixed(BILLING_GAP, BILLING_SERVICE, tmp_path / "root")

    rows = observed(billing_suite.run(root, tmp_path / "run", cache=cache))

    assert {criterion: passed for criterion, (passed, _) in rows.items()} == dict.fromkeys(
        ("5.1", "5.2", "5.3", "5.4", "5.5", "M.4"), True
    ), rows
    assert shares(rows["5.5"][1])[0] > 90
    assert "17 of 17 files measured" in rows["5.5"][1]


@pytest.mark.needs("vision-env")
def test_vision_suite_passes_on_async_services_over_a_pool(tmp_path: Path) -> None:
    """Every source file is measured, and what is named as a test but starts itself is told."""
    root = fixed(VISION_GAP, VISION_SERVICE, tmp_path / "root")

    python = Path(os.environ["CLOSEOUT_VISION_PYTHON"])
    rows = observed(vision_suite.run(root, tmp_path / "run", python=python))

    assert {criterion: passed for criterion, (passed, _) in rows.items()} == dict.fromkeys(
        ("6.1", "6.2", "6.3", "6.4", "6.5", "M.5"), True
    ), rows
    assert shares(rows["6.5"][1])[0] > 90
    assert "test_service.py is a script" in rows["M.5"][1]


_COMPOSE = b"""\
services:
  vision:
    build: ./edge-vision-inference
    environment:
      - SITE_STAGE=production
"""
_OPEN = b"""\
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=["*"])
"""


@pytest.mark.needs("vision-env")
@pytest.mark.parametrize("stage", [{}, {"SITE_STAGE": "production"}])
def test_policys_tests_know_the_variable_by_which_their_tree_tells_its_stage(
    tmp_path: Path, stage: dict[str, str]
) -> None:
    """They pass in the container that the variable calls production, and ask of it by name."""
    files = foreign_services.files(VISION_SERVICE)
    files[f"{VISION_SERVICE}/app/main.py"] = _OPEN
    files[f"{VISION_SERVICE.parent}/docker-compose.yml"] = _COMPOSE
    overlay = Overlay(MemoryTree(files))
    for gap in (CORS_GAP, VISION_GAP):
        for changeset in gap.fix(overlay):
            for edit in changeset.edits:
                overlay.lay(edit)
    writer.copy_tree(overlay, tmp_path)

    python = Path(os.environ["CLOSEOUT_VISION_PYTHON"])
    ran = process.run(
        [python, "-m", "pytest", "-v", "-p", "no:cacheprovider", "tests/test_cors.py"],
        cwd=tmp_path / VISION_SERVICE,
        env=stage,
    )

    assert ran.ok, ran.out
    assert "knows_production_by_any_of_its_names[production-SITE_STAGE] PASSED" in ran.out
