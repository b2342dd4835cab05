"""A stranger's repository from adoption to report, with its own services booted and asked."""

import os
from pathlib import Path, PurePosixPath

import pytest

from closeout.cli.commands import detect, fix, init, report
from closeout.cli.commands.probe import live_probes
from closeout.errors import ExitCode
from closeout.gaps import GAPS
from closeout.model import ProofKind
from closeout.runs import evidence_store
from tests.support.builders import snapshot, write_files
from tests.support.monorepos import space_for
from tests.support.strangers import SHOP

pytestmark = [pytest.mark.live, pytest.mark.needs("services-env", "npm")]


def test_shop_is_adopted_fixed_asked_and_reported(tmp_path: Path) -> None:
    """A few files are written, Express and FastAPI answer, and no command leaves a gap open."""
    tmp_path.chmod(0o755)
    space = space_for(tmp_path / "home", write_files(tmp_path / "shop", SHOP))
    found = snapshot(space.root)
    assert init.adopt(str(space.root)) is ExitCode.SETTLED
    assert fix.fix(space, GAPS) is ExitCode.UNPROVEN
    fixed = snapshot(space.root)
    written = {path for path, held in fixed.items() if found.get(path) != held}
    assert len(written) <= 15
    changed = frozenset(PurePosixPath(path) for path in written)
    assert detect.detect(space, GAPS, changed) is ExitCode.SETTLED
    assert live_probes(space, Path(os.environ["CLOSEOUT_LIVE_PYTHON"])) is ExitCode.SETTLED
    assert report.build_lenient(space) is ExitCode.SETTLED
    assert report.build(space) in {ExitCode.SETTLED, ExitCode.UNPROVEN}
    assert snapshot(space.root) == fixed
    seen = {item.probe: item for item in evidence_store.gather(space.reports, space.root)}
    for name in (
        "cors.evil-origin-get@auth",
        "headers.nosniff@api",
        "rate-limit.sixth-bad-login@auth/login",
        "rate-limit.other-account-free@auth/login",
    ):
        assert seen[name].kind is ProofKind.PROOF, seen[name].observed
