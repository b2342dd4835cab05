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
    facts = (*FACTS.named, *FACTS.commands, *FACTS.fixes, *FACTS.samples)
    named = {item.criterion for item in facts}
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


def test_order_about_another_tree_is_told_by_its_totals() -> None:
    """Whoever's tree has none of its files learns nothing by reading of each."""
    told = order_check.told(order_check.compare(MemoryTree({"a.py": b"x\n"}), {}, FACTS))
    _, why, *totals = told.splitlines()
    assert why == "  it may be about another tree: none of the files whose lines it names is here"
    assert "  stale line: 9 of 9" in totals
    assert [line for line in totals if line.startswith("   ")] == []


BILLING = "cloud-layer/cloud-billing-service/src"


def lacking(files: dict[str, bytes]) -> dict[str, tuple[bool | None, str]]:
    """Return what is told of the sample tests' wishes, by subject."""
    remarks = order_check.compare(MemoryTree(files), {}, FACTS)
    return {
        item.subject: (item.holds, item.found) for item in remarks if item.matter is Matter.LACKING
    }


def test_wish_of_a_sample_test_is_told_with_the_place_where_it_would_stand() -> None:
    """A comment, a text and a longer word do not grant it; a test of the service's own neither."""
    service = b"""// a discount would be nice
export async function createInvoice(tenant: string, syntax = 'tax') {
  return { tenant, syntax };
}
"""
    told = lacking(
        {
            f"{BILLING}/services/invoiceService.ts": service,
            f"{BILLING}/services/subscriptionService.ts": b"export const plans = ['prorate'];\n",
            f"{BILLING}/services/tax.test.ts": b"const vat = 7;\n",
        }
    )

    assert {name: holds for name, (holds, _) in told.items()} == {
        "the tax on an invoice": False,
        "a discount for annual billing": False,
        "one invoice for one idempotency key": False,
        "proration of an upgrade within a period": False,
    }
    assert told["the tax on an invoice"][1].endswith(
        f"it would stand in {BILLING}/services/invoiceService.ts:2 (createInvoice)"
    )
    assert told["proration of an upgrade within a period"][1].endswith(
        f"it would stand in {BILLING}/services/subscriptionService.ts"
    )


def test_wish_of_a_sample_test_holds_where_a_name_speaks_of_it() -> None:
    """The service may have it in any of its files, under any name with the word in it."""
    told = lacking({f"{BILLING}/domain/money.ts": b"export const none = 0;\nconst dueVAT = 7;\n"})

    assert told["the tax on an invoice"] == (
        True,
        f"{BILLING}/domain/money.ts:2 (dueVAT) speaks of it",
    )
    assert "has no invoiceService.ts" in told["a discount for annual billing"][1]


def test_no_wish_is_told_of_where_there_is_no_such_service() -> None:
    """A tree without a billing service lacks nothing in it."""
    assert lacking({"README.md": b"x"}) == {}
