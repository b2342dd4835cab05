"""Waivers count until their date, and a broken file is an error."""

from datetime import date

import pytest

from closeout.engine import evaluate, planner, rules, waivers
from closeout.errors import CloseoutError
from closeout.fs.tree import DiskTree, MemoryTree
from closeout.gaps import GAPS
from closeout.model import Finding, Verdict
from closeout.model.verdicts import Ruling
from closeout.runs.workspace import REFERENCE
from closeout.workorders.wo_004 import WO_004
from tests.support.builders import criterion, evidence

TODAY = date(2026, 2, 1)
ENTRY = """
[[waiver]]
criterion = "9.2"
who = "Mali"
when = 2026-01-01
why = "the cluster comes next week"
until = {until}
"""


@pytest.mark.parametrize(
    ("until", "counts"),
    [("2026-02-01", True), ("2026-01-31", False), ('"2026-03-01"', True), ('"soon"', False)],
)
def test_load_counts_a_waiver_until_its_date(until: str, counts: bool) -> None:
    """A lapsed or unreadable date counts as expired."""
    tree = MemoryTree({"waivers.toml": ENTRY.format(until=until).encode()})
    assert ("9.2" in waivers.load(tree, TODAY).in_force) is counts


def test_load_is_empty_without_the_file() -> None:
    """Nobody has to waive anything."""
    assert waivers.load(MemoryTree({}), TODAY).in_force == {}


@pytest.mark.parametrize(
    "content",
    [
        "not toml [",
        "[[waiver]]\ncriterion = '1.1'\n",
        ENTRY.replace("Mali", " ").format(until="2026-02-01"),
        ENTRY.replace("who =", "probe = 'x'\nwho =").format(until="2026-02-01"),
    ],
    ids=["no toml", "no person", "blank person", "two subjects"],
)
def test_load_refuses_a_broken_file(content: str) -> None:
    """A waiver that nobody signed is not silently dropped."""
    with pytest.raises(CloseoutError) as caught:
        waivers.load(MemoryTree({"waivers.toml": content.encode()}), TODAY)
    assert caught.value.reference == "waivers-unusable"


@pytest.mark.parametrize(
    ("until", "notice"),
    [
        ("2026-02-15", "ends in 14 days"),
        ("2026-02-16", None),
        ("2026-01-31", "expired on 2026-01-31"),
        ('"soon"', "expired on a date that cannot be read"),
    ],
)
def test_load_warns_before_a_waiver_ends_and_after(until: str, notice: str | None) -> None:
    """Fourteen days before the end there is a warning, and a lapsed waiver is told."""
    tree = MemoryTree({"waivers.toml": ENTRY.format(until=until).encode()})
    told = " ".join(waivers.load(tree, TODAY).notices)
    assert (notice in told) if notice else not told


def test_unused_tells_a_waiver_that_nothing_needed() -> None:
    """A waiver that outlived its reason is told, so that it can go."""
    tree = MemoryTree({"waivers.toml": ENTRY.format(until="2026-06-01").encode()})
    register = waivers.load(tree, TODAY)
    assert waivers.unused(register, []) == ("waiver of 9.2 is not needed any more",)
    (needed,) = register.in_force.values()
    ruling = Ruling(criterion=criterion("9.2"), verdict=Verdict.WAIVED, because="x", waiver=needed)
    assert waivers.unused(register, [ruling]) == ()


@pytest.mark.parametrize(
    ("until", "counts"),
    [
        ("2026-02-01T00:00:00", True),
        ("2026-01-31T23:59:59Z", False),
        ("20260301", False),
        ('"2026-02-30"', False),
        ('"01.03.2026"', False),
        ('""', False),
        ("true", False),
        ("[2026-03-01]", False),
    ],
)
def test_load_takes_no_odd_date_for_a_later_one(until: str, counts: bool) -> None:
    """A time of day is its day; whatever else is no date has expired, and does not end the run."""
    tree = MemoryTree({"waivers.toml": ENTRY.format(until=until).encode()})
    register = waivers.load(tree, TODAY)
    assert ("9.2" in register.in_force) is counts
    assert bool(register.notices)


def test_load_refuses_a_file_that_nests_without_end() -> None:
    """A bomb is an unusable file, not a failure of ours."""
    tree = MemoryTree({"waivers.toml": b"waiver = " + b"[" * 50_000})
    with pytest.raises(CloseoutError) as caught:
        waivers.load(tree, TODAY)
    assert caught.value.reference == "waivers-unusable"


@pytest.fixture(scope="module")
def detection() -> rules.Detection:
    """Return what is open in the reference monorepo, where every gap is."""
    return planner.detect(GAPS, DiskTree(REFERENCE))


def _register(subjects: list[str], until: str) -> waivers.Register:
    entries = "".join(
        f"[[waiver]]\n{subject}\nwho = 'Mali'\nwhen = 2026-01-01\nwhy = 'next week'\n"
        f"until = {until}\n"
        for subject in subjects
    )
    return waivers.load(MemoryTree({"waivers.toml": entries.encode()}), TODAY)


def _ruling(
    number: str, detection: rules.Detection, register: waivers.Register, **more: object
) -> Ruling:
    case = evaluate.Case(tree_digest="tree", detection=detection, waivers=register.in_force, **more)
    return next(item for item in evaluate.judge(WO_004, case) if item.criterion.id == number)


def _open(detection: rules.Detection, suffix: str) -> tuple[str, list[Finding]]:
    """Return a criterion whose open places all lie in files with the suffix, and the places."""
    by_criterion: dict[str, list[Finding]] = {}
    for place in (place for checks in detection.values() for place in rules.findings(checks)):
        by_criterion.setdefault(place.criterion, []).append(place)
    return next(
        (number, places)
        for number, places in sorted(by_criterion.items())
        if all(place.path.suffix == suffix for place in places)
    )


@pytest.mark.parametrize("suffix", [".py", ".ts", ".sql", ".yaml"])
def test_waiver_holds_for_code_sql_and_manifests_alike(
    detection: rules.Detection, suffix: str
) -> None:
    """Each open place that is accepted is left out, until the day has passed."""
    number, places = _open(detection, suffix)
    subjects = sorted({f'finding = "{evaluate.waivable(place)}"' for place in places})
    register = _register(subjects, "2026-06-01")
    ruling = _ruling(number, detection, register)
    assert ruling.verdict is Verdict.WAIVED
    assert waivers.unused(register, [ruling]) == ()
    lapsed = _ruling(number, detection, _register(subjects, "2026-01-31"))
    assert lapsed.verdict is Verdict.OPEN


def test_waiver_holds_for_a_probe_and_lapses_like_any_other() -> None:
    """A probe that fails is accepted by its id, until the day has passed."""
    item = evidence("7.4", probe="headers.docs-render@a", passed=False, tree_digest="tree")
    subjects = ['probe = "headers.docs-render@a"']
    holds = _register(subjects, "2026-06-01")
    lapsed = _register(subjects, "2026-01-31")
    assert _ruling("7.4", {}, holds, evidence=(item,)).verdict is Verdict.WAIVED
    assert _ruling("7.4", {}, lapsed, evidence=(item,)).verdict is Verdict.OPEN


def test_waiver_of_one_place_of_many_is_not_called_unused(detection: rules.Detection) -> None:
    """It is needed as long as its place is open, although another place keeps the criterion so."""
    number, places = next(
        (number, places) for number, places in [_open(detection, ".py")] if len(places) > 1
    )
    register = _register([f'finding = "{evaluate.waivable(places[0])}"'], "2026-06-01")
    ruling = _ruling(number, detection, register)
    assert ruling.verdict is Verdict.OPEN
    assert waivers.unused(register, [ruling]) == ()
