"""The audit's long self-test, for `nox -s audit_selftest`: full audits, each plant alone.

Its name keeps it out of `nox -s tests`, which takes `test_*.py`.
"""

import resource
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from closeout.errors import ExitCode
from tests.live.test_audit import MISSING_FILE, OPERATOR, assert_found, audited
from tests.support import false_claims
from tests.support.false_claims import READ, RUNNING, Plant
from tests.support.lone_claims import APART
from tests.support.monorepos import fixed_copy
from tests.support.naive import naive_copy

LEFT_BY_THE_LETTER = {"1.1", "1.2", "1.3", "2.1", "2.2", "4.2", "7.1"}
"""What the order's own snippets carry out, and what running them shows to be open still."""


def _spent() -> float:
    """Return the CPU seconds of this process and of every program that has ended below it."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(item.ru_utime + item.ru_stime for item in used)


@pytest.fixture(autouse=True)
def _progress(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Tell each audit with what it cost, and after the last one what all of them did."""
    began = _spent()
    yield
    tests = request.session.items
    number = tests.index(request.node) + 1
    with capsys.disabled():
        told = f"\n{number}/{len(tests)} {request.node.name}: {_spent() - began:.1f} CPU s"
        total = f"\n{number} tests took {_spent():.0f} CPU s" * (number == len(tests))
        sys.stdout.write(told + total)
        sys.stdout.flush()


@pytest.fixture(scope="session")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fixed tree, without the runs that made it."""
    return fixed_copy(tmp_path_factory.mktemp("fixing"))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the one folder for what all the audits install."""
    folder = tmp_path_factory.mktemp("cache")
    folder.chmod(0o755)
    return folder


def test_fixed_tree_is_closed_but_for_what_a_cluster_tells(
    fixed: Path, cache: Path, tmp_path: Path
) -> None:
    """Nothing is refuted, and nothing waits that could have been asked here."""
    tmp_path.chmod(0o755)
    seen = audited(tmp_path / "home", fixed, "full", cache=cache)
    assert seen.refuted == set()
    assert seen.unproven == OPERATOR


def test_order_by_the_letter_is_refuted_by_running_it(cache: Path, tmp_path: Path) -> None:
    """The negative control: even what its snippets carry out does not hold."""
    tmp_path.chmod(0o755)
    seen = audited(tmp_path / "home", naive_copy(tmp_path / "farmiq"), "full", cache=cache)
    assert seen.refuted >= LEFT_BY_THE_LETTER
    # Its limiter does answer 429 after five failures: what holds is not called false.
    assert "M.2" not in seen.refuted


def test_plants_in_one_tree_hide_none_and_invent_nothing(
    fixed: Path, cache: Path, tmp_path: Path
) -> None:
    """What no plant touches is closed by evidence, or waits for a cluster."""
    tmp_path.chmod(0o755)
    root = false_claims.plant(Path(shutil.copytree(fixed, tmp_path / "farmiq")), RUNNING)
    seen = audited(tmp_path / "home", root, "full", cache=cache)
    touched = {number for plant in RUNNING for number in plant.criteria}
    for plant in RUNNING:
        assert_found(seen, plant)
    assert seen.refuted == touched
    assert seen.unproven == OPERATOR - touched
    assert seen.code is ExitCode.GAPS_LEFT
    assert seen.unchanged
    absent = [row["what"] for row in seen.claims["false_claims"] if not row["criterion"]]
    assert absent == [MISSING_FILE]


@pytest.mark.parametrize("plant", [*RUNNING, *READ, *APART], ids=lambda item: item.name)
def test_plant_alone_falsifies_its_criteria(
    fixed: Path, cache: Path, tmp_path: Path, plant: Plant
) -> None:
    """Each is found without the others' help."""
    tmp_path.chmod(0o755)
    root = false_claims.plant(Path(shutil.copytree(fixed, tmp_path / "farmiq")), (plant,))
    seen = audited(tmp_path / "home", root, "full", plant, cache)
    assert set(plant.criteria) <= seen.refuted
    assert all(name in seen.grounds(plant) for name in plant.names)
    assert set(plant.red) <= seen.red
