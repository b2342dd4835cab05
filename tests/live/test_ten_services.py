"""Ten services trust every origin, the order names five, one does not parse: the rest is closed."""

import io
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path, PurePosixPath

import pytest

from closeout.cli.commands import detect, fix
from closeout.errors import ExitCode
from closeout.gaps.cors.detect import NAMED
from closeout.gaps.cors.probing.origins import EVIL, get, not_shared, preflight, readable_from
from closeout.harness.boot import Booted, booted, python_launch
from closeout.harness.http import send
from closeout.harness.service_launch import PYTHON_SETTINGS
from closeout.runs.workspace import REFERENCE
from tests.drift import asgi
from tests.support.builders import snapshot
from tests.support.monorepos import space_for

Fixed = tuple[Path, Path, str, dict[str, bytes], int]
"""Home, fixed tree, what was printed, the bytes from before and the line that is broken."""

SIBLINGS = tuple(
    PurePosixPath("cloud-layer", name, "app/main.py")
    for name in (
        *("cloud-weather-service", "cloud-feed-planner"),
        *("cloud-herd-health", "cloud-egg-counter", "cloud-barn-climate"),
    )
)
BROKEN = SIBLINGS[-1]
SOUND = (*NAMED, *SIBLINGS[:-1])


def _spoil(main: Path) -> int:
    """Take the bracket away that closes the policy's call, and return the call's line."""
    text = main.read_text()
    at = text.index("app.add_middleware(\n")
    end = text.index("\n)\n", at)
    main.write_text(text[:end] + text[end + 2 :])
    return text.count("\n", 0, at) + 1


@pytest.fixture(scope="module")
def fixed(
    tmp_path_factory: pytest.TempPathFactory,
) -> Fixed:
    """Fix a tree of ten such services."""
    home = tmp_path_factory.mktemp("ten")
    root = home / "farmiq"
    for main in (*NAMED, *SIBLINGS[:2]):
        shutil.copytree(REFERENCE / main.parents[1], root / main.parents[1])
    for main in SIBLINGS[2:]:
        shutil.copytree(REFERENCE / SIBLINGS[0].parents[1], root / main.parents[1])
    line = _spoil(root / BROKEN)
    before = snapshot(root)
    gaps = detect.select("cors")
    printed = io.StringIO()
    with redirect_stdout(printed):
        code = fix.fix(space_for(home, root), gaps)
    assert code is ExitCode.GAPS_LEFT
    return home, root, printed.getvalue(), before, line


def test_fix_closes_every_service_that_parses(
    fixed: Fixed,
) -> None:
    """Nine have the policy, named or not; the broken file keeps its bytes."""
    home, root, _, before, _ = fixed
    assert len(SOUND) == 9
    for main in SOUND:
        text = (root / main).read_text()
        assert "install_cors(" in text, main
        assert '"*"' not in text, main
    assert snapshot(root)[str(BROKEN)] == before[str(BROKEN)]
    plan = json.loads((home / "reports/latest/plan.json").read_bytes())
    written = {change["path"] for change in plan["changes"]}
    assert {str(main) for main in SOUND} <= written
    assert str(BROKEN) not in written


def test_report_tells_named_places_from_unnamed_ones(
    fixed: Fixed,
) -> None:
    """The plan counts both; what cannot be judged is BLOCKED with the line that does not parse."""
    home, _, printed, _, line = fixed
    plan = json.loads((home / "reports/latest/plan.json").read_bytes())
    assert 0 < plan["unnamed"]["cors"] < plan["before"]["cors"]
    assert f"{sum(plan['unnamed'].values())} not named by the order" in printed
    assert f"\n  ! {BROKEN}\n{line:>9}  unparsable: does not parse" in printed
    report = json.loads((home / "reports/latest/report.json").read_bytes())
    gap = next(gap for gap in report["gaps"] if gap["slug"] == "cors")
    assert gap["verdict"] == "BLOCKED"
    assert gap["open_after"] == 0
    assert {(item["path"], item["line"]) for item in gap["unresolved"]} == {(str(BROKEN), line)}
    assert gap["open_before"] == plan["before"]["cors"]
    assert gap["unnamed_before"] == plan["unnamed"]["cors"]
    named = gap["open_before"] - gap["unnamed_before"]
    markdown = (home / "reports/latest/report.md").read_text()
    assert f"| {named} named, {gap['unnamed_before']} not | 0 | BLOCKED |" in markdown
    verdicts = {item["id"]: item["verdict"] for item in report["criteria"]}
    assert verdicts["1.3"] == "BLOCKED", "an unnamed service does not parse"
    assert verdicts["1.1"] == "UNPROVEN", "the five that the order lists are closed"


@pytest.mark.live
@pytest.mark.needs("services-env")
def test_every_fixed_service_turns_a_foreign_origin_away(fixed: Fixed, tmp_path: Path) -> None:
    """All nine, booted two at once, are closed to a stranger and open to their own dashboard."""
    _, root, _, _, _ = fixed
    python = Path(os.environ["CLOSEOUT_LIVE_PYTHON"])

    def faults(main: PurePosixPath) -> list[str]:
        folder = root / main.parents[1]
        environment = {**PYTHON_SETTINGS, "ALLOWED_ORIGINS": asgi.OWN}
        launch = python_launch(folder, python, environment)
        with booted(launch, tmp_path / f"{folder.name}.log") as service:
            if not isinstance(service, Booted):
                return [f"{folder.name}: {service.reason}"]
            told = [*not_shared(send(service.url, preflight(EVIL)))]
            told += not_shared(send(service.url, get(EVIL)))
            told += readable_from(asgi.OWN, send(service.url, preflight(asgi.OWN, method="GET")))
            told += readable_from(asgi.OWN, send(service.url, get(asgi.OWN)))
            return [f"{folder.name}: {fault}" for fault in told]

    with ThreadPoolExecutor(max_workers=2) as pool:
        assert [fault for found in pool.map(faults, SOUND) for fault in found] == []
