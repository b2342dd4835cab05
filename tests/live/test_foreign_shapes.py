"""Services of seven shapes that `reference/farmiq` lacks, booted before a fix and after it.

Each is as small as its shape allows, in `reference/shapes`, under that tree's own compose file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from closeout.cli.commands import detect, fix, probe
from closeout.errors import ExitCode
from closeout.fs import writer
from closeout.fs.tree import DiskTree
from closeout.model import ProofKind, StandIns
from closeout.model.verdicts import Evidence
from closeout.resources import BUNDLE
from closeout.runs import evidence_store
from tests.support.builders import snapshot
from tests.support.monorepos import space_for

SHAPES = BUNDLE / "reference" / "shapes"
COMPOSE = "docker-compose.yml"
ASKED = "cors.evil-origin-get@"

Seen = tuple[ExitCode, Mapping[str, Evidence], str]
"""What the session ended with, its rows by name, and the files of the tree that it changed."""

pytestmark = [pytest.mark.live, pytest.mark.needs("services-env"), pytest.mark.needs("node")]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Fix the policies of a copy, then boot and ask every service on both trees."""
    home = tmp_path_factory.mktemp("shapes")
    home.chmod(0o755)
    root = home / "tree"
    root.mkdir()
    writer.copy_tree(DiskTree(SHAPES), root)
    space = space_for(home, root)
    fix.fix(space, detect.select("cors"))
    fixed = snapshot(root)
    python = Path(os.environ["CLOSEOUT_LIVE_PYTHON"])
    code = probe.live_probes(space, python, f"{ASKED},boot-parity")
    changed = {path for path, content in snapshot(root).items() if fixed.get(path) != content}
    asked = evidence_store.gather(space.reports, root)
    rows = {item.probe: item for item in asked if item.observed != "left out by --only"}
    return code, rows, ", ".join(sorted(changed))


def _stand_ins(seen: Seen, service: str) -> StandIns:
    (made,) = seen[1][f"{ASKED}{service}"].stand_ins
    return made


@pytest.mark.parametrize(
    "service",
    ["coop-ledger", "flock-register", "egg-grader", "feed-queue", "barn-camera", "hen-weather"],
)
def test_a_service_of_a_foreign_shape_is_red_before_the_fix_and_green_after_it(
    seen: Seen, service: str
) -> None:
    """It is asked over HTTP on both trees, and starts under its compose file on both."""
    asked, booted = (seen[1][name] for name in (f"{ASKED}{service}", _parity(service)))
    assert asked.kind is ProofKind.PROOF, asked.observed
    assert booted.kind is ProofKind.GUARD, booted.observed


def _parity(service: str) -> str:
    return f"boot-parity.{service}@{COMPOSE}"


def test_what_was_put_in_the_place_of_what_is_told_of_each_shape(seen: Seen) -> None:
    """No lock, a generated client, a queue, a heavy package, a setting and a format."""
    assert "the service has no lock file" in _stand_ins(seen, "coop-ledger").note
    (client,) = _stand_ins(seen, "flock-register").replaced
    assert client == "@prisma/client by a stand-in for its 2 models"
    assert _stand_ins(seen, "egg-grader").launcher.startswith("node launcher: own sources")
    assert _stand_ins(seen, "feed-queue").stubbed == ("amqplib",)
    assert _stand_ins(seen, "barn-camera").stubbed == ("ultralytics",)
    weather = _stand_ins(seen, "hen-weather")
    assert "ADMIN_CONTACT" in weather.filled
    assert weather.replaced[0].startswith("log format 'json'")


def test_an_app_that_its_image_never_starts_is_told_and_closes_nothing(seen: Seen) -> None:
    """The policy of its app is mended all the same; what is deployed is another program."""
    code, rows, _ = seen
    told = [row for name, row in rows.items() if "trait-store" in name]
    assert [row.probe for row in told] == ["cors.as-deployed@trait-store"]
    assert told[0].passed is None
    assert "`mlflow server`" in told[0].observed
    assert code is ExitCode.UNPROVEN


def test_nothing_is_written_into_the_tree(seen: Seen) -> None:
    """No lock, no build and no packages: services run in copies."""
    assert not seen[2]
