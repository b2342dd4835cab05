"""`audit.all` on trees that somebody else has closed: every false claim found, none invented."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from closeout.cli.commands import audit
from closeout.errors import CloseoutError, ExitCode
from closeout.fs.tree import DiskTree, digest
from tests.support import false_claims
from tests.support.false_claims import READ, Plant
from tests.support.lone_claims import APART, LIMITERS
from tests.support.monorepos import fixed_copy, invoke, reference_copy, space_for
from tests.support.naive import naive_copy

OPERATOR = {"9.2", "9.3", "10.1", "10.4", "M.8", "M.9"}
"""What a cluster or a bucket alone can settle: never closed here."""
MISSING_FILE = "k8s/network-policies/deny-all.yaml"
"""A file that the completion report names and nobody made."""


@dataclass(frozen=True)
class Audited:
    """An audit's exit code, its report by criterion, its claims and what it says of the order."""

    code: ExitCode
    criteria: dict[str, dict]
    claims: dict
    order: list[dict]
    unchanged: bool

    @property
    def refuted(self) -> set[str]:
        """Return the criteria that are shown to be false, those that rest on others left out."""
        return {
            number
            for number, row in self.criteria.items()
            if row["verdict"] in {"OPEN", "BLOCKED", "DRIFTED"} and not row["rests_on"]
        }

    @property
    def unproven(self) -> set[str]:
        """Return the criteria that nothing shows, those that rest on others left out."""
        return {
            number
            for number, row in self.criteria.items()
            if row["verdict"] == "UNPROVEN" and not row["rests_on"]
        }

    @property
    def red(self) -> set[str]:
        """Return the detectors and probes that fail."""
        asked = (item for row in self.criteria.values() for item in row["evidence"])
        return {item["probe"] for item in asked if item["passed"] is False}

    def grounds(self, plant: Plant) -> str:
        """Return everything that is told of the plant's criteria where they are claimed."""
        rows = [row for row in self.claims["false_claims"] if row["criterion"] in plant.criteria]
        return json.dumps(rows)


def _python(requirements: str) -> Path:
    return Path(os.environ[f"CLOSEOUT_{Path(requirements).stem.upper()}_PYTHON"])


def audited(
    home: Path, root: Path, how: str, plant: Plant | None = None, cache: Path | None = None
) -> Audited:
    """Audit `root`, fully or quickly, with every box ticked, from a home of its own.

    With a plant, what can show it runs and nothing else; `cache` keeps what sessions install.
    """
    if plant is not None and not plant.sessions:
        how = "quick"
    sessions, only = (plant.sessions, plant.only) if plant else ((), "")
    home.mkdir(parents=True)
    if cache is not None:
        (home / "build").mkdir()
        (home / "build" / "cache").symlink_to(cache)
    report = home / "done.md"
    report.write_text(false_claims.completion_report())
    before = digest(DiskTree(root))
    space = space_for(home, root)
    if how == "full":
        code = audit.audit(space, _python, str(report), sessions, only)
    else:
        code = audit.quick(space, str(report))
    run = home / "reports/latest"
    made = json.loads((run / "report.json").read_bytes())
    return Audited(
        code=code,
        criteria={row["id"]: row for row in made["criteria"]},
        claims=json.loads((run / "claims.json").read_bytes()),
        order=json.loads((run / "order-audit.json").read_bytes()),
        unchanged=digest(DiskTree(root)) == before,
    )


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fixed tree, without the runs that made it."""
    return fixed_copy(tmp_path_factory.mktemp("fixing"))


@pytest.fixture(scope="module")
def asked(fixed: Path, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    """Return the audit of the most notorious plant, by the one session that can show it."""
    home = tmp_path_factory.mktemp("asked")
    home.chmod(0o755)
    root = false_claims.plant(Path(shutil.copytree(fixed, home / "farmiq")), LIMITERS[:1])
    return audited(home / "home", root, "full", LIMITERS[0])


@pytest.fixture(scope="module")
def read(fixed: Path, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    """Return the quick audit of the tree that holds every plant that shows by reading."""
    home = tmp_path_factory.mktemp("read")
    root = false_claims.plant(Path(shutil.copytree(fixed, home / "farmiq")), READ)
    return audited(home / "home", root, "quick")


def assert_found(audited: Audited, plant: Plant) -> None:
    """Hold what was audited to everything that a plant says of itself."""
    assert set(plant.criteria) <= audited.refuted, plant.name
    claimed = {row["criterion"] for row in audited.claims["false_claims"]}
    assert set(plant.criteria) <= claimed
    for name in plant.names:
        assert name in audited.grounds(plant), plant.name


@pytest.mark.live
@pytest.mark.needs("services-env", "node")
def test_audit_finds_the_orders_limiter_by_reading_and_by_asking(asked: Audited) -> None:
    """A sample of what runs: `nox -s audit_selftest` asks about every plant, and about all."""
    assert_found(asked, LIMITERS[0])
    assert asked.refuted == set(LIMITERS[0].criteria)
    assert set(LIMITERS[0].red) <= asked.red
    assert asked.code is ExitCode.GAPS_LEFT
    assert asked.unchanged
    absent = [row["what"] for row in asked.claims["false_claims"] if not row["criterion"]]
    assert absent == [MISSING_FILE]


@pytest.mark.live
@pytest.mark.needs("services-env", "node")
def test_audit_has_postgres_refuse_the_fix_that_the_order_prints(asked: Audited) -> None:
    """EXTRACT of a difference of dates is tried, not argued about."""
    row = next(row for row in asked.order if "EXTRACT" in row["subject"])
    assert row["holds"] is False
    assert "does not exist" in row["found"]


@pytest.mark.parametrize(
    "plant",
    [item for item in APART if not item.sessions or item in LIMITERS][::2],
    ids=lambda item: item.name,
)
def test_audit_refutes_a_claim_that_stands_alone(fixed: Path, tmp_path: Path, plant: Plant) -> None:
    """A sample of those that exclude each other; `nox -s audit_selftest` tries all."""
    root = false_claims.plant(Path(shutil.copytree(fixed, tmp_path / "farmiq")), (plant,))
    seen = audited(tmp_path / "home", root, "quick")
    assert_found(seen, plant)
    assert seen.refuted == set(plant.criteria)


@pytest.mark.parametrize("plant", READ, ids=lambda item: item.name)
def test_quick_audit_refutes_what_reading_can_tell(read: Audited, plant: Plant) -> None:
    """Files that their own tools refuse falsify their criteria without anything running."""
    assert_found(read, plant)


def test_quick_audit_invents_nothing(fixed: Path, read: Audited, tmp_path: Path) -> None:
    """On the fixed tree nothing is refuted; on the planted one, only what the plants touch."""
    assert read.refuted == {number for plant in READ for number in plant.criteria}
    plain = audited(tmp_path / "home", fixed, "quick")
    assert plain.refuted == set()
    assert plain.unchanged


def test_quick_audit_of_the_order_by_the_letter_refutes_what_it_left(tmp_path: Path) -> None:
    """The order's own snippets, and nothing else, leave most of the order open."""
    seen = audited(tmp_path / "home", naive_copy(tmp_path / "farmiq"), "quick")
    assert {"1.3", "3.1", "7.1", "8.1", "9.1", "9.2", "10.2", "10.3"} <= seen.refuted
    assert seen.code is ExitCode.GAPS_LEFT


def test_audit_holds_the_order_against_the_unfixed_tree(tmp_path: Path) -> None:
    """Its lines are right there; its ports, its checks and some of its fixes are not."""
    seen = audited(tmp_path / "home", reference_copy(tmp_path / "farmiq"), "quick")
    rows: dict[str, list[dict]] = {}
    for row in seen.order:
        rows.setdefault(row["matter"], []).append(row)
    assert all(row["holds"] for row in rows["stale line"])
    assert any("cloud-weather-service" in row["subject"] for row in rows["missed place"])
    port = next(row for row in rows["wrong port"] if row["holds"] is False)
    assert "compose gives 5122 to cloud-ingestion" in port["found"]
    idle = {row["criterion"] for row in rows["check that cannot fail"] if not row["holds"]}
    assert idle == {"1.1", "2.1", "3.2", "5.5", "6.5"}
    refused = {row["subject"] for row in rows["refused fix"] if row["holds"] is False}
    assert "an import of express-rate-limit" in refused
    assert "a secret store on the v1beta1 API" in refused


def test_audit_finds_a_stale_line_where_the_file_moved_on(tmp_path: Path) -> None:
    """The defect is there, on another line than the order says."""
    root = reference_copy(tmp_path / "farmiq")
    main = root / "cloud-layer/cloud-inference-server/app/main.py"
    main.write_bytes(b"# moved\n" + main.read_bytes())
    seen = audited(tmp_path / "home", root, "quick")
    row = next(row for row in seen.order if "inference-server/app/main.py:116" in row["subject"])
    assert row["holds"] is False
    assert "117" in row["found"]


def test_audit_refuses_a_file_without_the_order_s_boxes(tmp_path: Path) -> None:
    """A document that claims nothing is unusable input, and no run is made of it."""
    root = reference_copy(tmp_path / "farmiq")
    empty = tmp_path / "done.md"
    empty.write_text("- [x] everything\n")
    with pytest.raises(CloseoutError, match="ticks no box"):
        audit.quick(space_for(tmp_path, root), str(empty))
    assert not (tmp_path / "reports").exists()


def test_audit_all_is_a_command_with_claims_and_quick(tmp_path: Path) -> None:
    """As a person types it: exit code 1, each false claim with its ground."""
    report = tmp_path / "done.md"
    report.write_text(false_claims.completion_report())
    done = invoke(tmp_path / "home", "audit.all", "--quick", "--claims", str(report))
    assert done.returncode == 1, done.stderr
    assert "claims of done.md: 57 boxes ticked" in done.stdout
    assert "9.1 OPEN" in done.stdout
