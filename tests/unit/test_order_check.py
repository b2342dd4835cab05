"""What the order says is data, and every part of it can be held against a tree."""

from closeout.fs.tree import MemoryTree
from closeout.gaps import GAPS
from closeout.workorders import order_check
from closeout.workorders.order_check import Matter
from closeout.workorders.wo_004 import WO_004
from closeout.workorders.wo_004_checks import FACTS, TOUCHED
from tests.support.builders import evidence


def test_facts_name_criteria_gaps_and_probes_that_exist() -> None:
    """A name that nothing bears would never be compared."""
    known = {item.id for item in WO_004.criteria}
    slugs = {gap.slug for gap in GAPS}
    probes = {probe.id for gap in GAPS for probe in gap.probes()}
    named = {item.criterion for item in (*FACTS.named, *FACTS.commands, *FACTS.fixes)}
    assert named | {number for item in TOUCHED for number in item.criteria} <= known
    assert {item.gap for item in FACTS.named} <= slugs
    asked = {name for item in FACTS.commands for name in (item.probe, item.counterpart) if name}
    assert asked
    assert asked <= probes


def test_empty_tree_confirms_no_line_and_refutes_no_port() -> None:
    """Without a compose file nobody's port is known."""
    remarks = order_check.compare(MemoryTree({}), {}, FACTS)
    lines = [item for item in remarks if item.matter is Matter.STALE_LINE]
    assert {item.found for item in lines} == {"the file is not there"}
    assert {item.holds for item in remarks if item.matter is Matter.WRONG_PORT} == {None}


def test_sql_is_untried_without_a_server_and_refused_by_its_words() -> None:
    """A fix is judged by the engine's own answer."""
    quiet = order_check.compare(MemoryTree({}), {}, FACTS)
    asked = order_check.compare(MemoryTree({}), {}, FACTS, ask_sql=lambda _: "no such function")

    def sql(remarks: tuple[order_check.Remark, ...]) -> tuple[bool | None, str]:
        (row,) = [item for item in remarks if "EXTRACT" in item.subject]
        return row.holds, row.found

    assert sql(quiet)[0] is None
    assert sql(asked) == (False, "no such function")


def test_floor_in_the_tree_lets_the_order_s_coverage_command_fail() -> None:
    """The command is idle only where nothing else sets a floor."""
    place = "cloud-layer/cloud-billing-service/jest.config.js"
    tree = MemoryTree({place: b"module.exports = {coverageThreshold: {}};"})
    rows = {item.criterion: item for item in order_check.compare(tree, {}, FACTS)}
    assert rows["5.5"].holds is True
    assert rows["6.5"].holds is False


def test_measured_pass_of_an_idle_check_is_told() -> None:
    """What the battery saw of the order's own check is part of the remark."""
    command = FACTS.commands[0]
    seen = (
        evidence("1.1", probe=command.probe),
        evidence("1.1", probe=command.counterpart, passed=False),
    )
    (row,) = [
        item
        for item in order_check.compare(MemoryTree({}), {}, FACTS, seen)
        if item.subject == command.name and item.matter is Matter.IDLE_CHECK
    ]
    assert "measured here: it passes" in row.found
    assert "check that cannot fail: 5 of 5" in order_check.told(
        order_check.compare(MemoryTree({}), {}, FACTS, seen)
    )


def test_order_is_told_in_groups_with_totals() -> None:
    """A line a gap for what the order misses, five of every other matter, and no line lost."""
    made = [
        order_check.Remark(
            matter=matter,
            criterion="1.3",
            subject=subject,
            said="otherwise",
            holds=False,
            found="so it is",
        )
        for matter, subjects in {
            order_check.Matter.MISSED_PLACE: [
                *(f"cors svc/{name}.py:{line}" for name in "ab" for line in range(4)),
                "cors svc/a.py:9",
                "sql model.sql:1",
            ],
            order_check.Matter.STALE_LINE: [f"f.py:{line}" for line in range(7)],
        }.items()
        for subject in subjects
    ]
    told = order_check.told(made).splitlines()
    assert told[0] == "the order against this tree: 17 of 17 statements do not hold"
    assert "    cors: 9 in 2 files, most in svc/a.py (5)" in told
    assert "    sql: 1 in 1 file, most in model.sql (1)" in told
    assert sum("so it is" in line for line in told) == 5
    assert "    and 2 more" in told
