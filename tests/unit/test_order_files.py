"""Orders are data: ours, and a team's own over the same rules."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from closeout.cli.commands import fix, order, report
from closeout.errors import CloseoutError, ExitCode
from closeout.gaps import GAPS
from closeout.runs import store
from closeout.runs.workspace import Workspace
from closeout.workorders import order_files, skeleton
from closeout.workorders.wo_004 import WO_004
from tests.support.builders import write_files
from tests.support.monorepos import space_for
from tests.support.strangers import SHOP

MARKDOWN = """# Shop hardening

- [ ] No service lets every origin in
- [ ] Answers forbid framing
- [ ] The shop's owner has signed the contract
"""
OWN = b"""id = "SHOP-1"
title = "Shop hardening"

[[criterion]]
id = "origins"
text = "No service lets every origin in."
means = "static"
settled-by = "invoke detect.all"
rules = ["cors/no-wildcard", "cors/express-no-wildcard"]

[[criterion]]
id = "framing"
text = "Answers forbid framing."
means = "static"
settled-by = "invoke detect.all"
rules = ["headers/frame-options"]
probes = ["headers.frame-*"]

[[criterion]]
id = "pipeline"
text = "The pipeline's SQL parses."
means = "static"
settled-by = "invoke detect.all"
rules = ["sql/*"]

[[criterion]]
id = "done"
text = "All of it."
means = "static"
rests-on = ["origins", "framing", "pipeline"]
"""


def _report(space: Workspace) -> dict[str, Any]:
    run = store.latest(space.reports, space.root)
    read: dict[str, Any] = json.loads((run.folder / "report.json").read_bytes())
    return read


def test_wo_004_ties_its_checkboxes_to_what_there_is() -> None:
    """Each tie names a rule, a probe or a gate of that very criterion; no criterion lacks its."""
    rules = {(item.criterion, f"{gap.slug}/{item.id}") for gap in GAPS for item in gap.rules}
    probes = {(item.criterion, item.id.partition("@")[0]) for gap in GAPS for item in gap.probes()}
    gates = {
        (number, item.name) for gap in GAPS for item in gap.gates() for number in item.criteria
    }
    for box in WO_004.criteria:
        for tie, known in (
            *((tie, rules) for tie in box.rules),
            *((tie, probes) for tie in box.probes),
            *((tie, gates) for tie in box.gates),
        ):
            assert (box.id, tie) in known
    tied = {box.id for box in WO_004.criteria if box.rules}
    assert tied == {number for number, _ in rules}


def test_a_teams_own_order_runs_end_to_end(tmp_path: Path) -> None:
    """Its checkboxes are ruled on by the same rules, before and after the fix."""
    files = SHOP | {"SHOP.toml": OWN, "closeout.toml": b'order = "SHOP.toml"\n'}
    root = write_files(tmp_path / "root", files)
    space = space_for(tmp_path / "home", root)
    assert report.build(space) is ExitCode.GAPS_LEFT
    before = {row["id"]: row["verdict"] for row in _report(space)["criteria"]}
    assert before == {
        "origins": "OPEN",
        "framing": "OPEN",
        "pipeline": "NOT_APPLICABLE",
        "done": "OPEN",
    }
    assert fix.fix(space, GAPS) is ExitCode.SETTLED
    made = _report(space)
    after = {row["id"]: row["verdict"] for row in made["criteria"]}
    assert after == before | dict.fromkeys(("origins", "framing", "done"), "CLOSED")
    assert made["work_order"] == "SHOP-1"
    assert [gap["slug"] for gap in made["gaps"]] == ["cors", "sql", "headers"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"cors/no-wildcard", b"cors/no-wildcards", "the nearest is cors/no-wildcard"),
        (b'"static"', b'"luck"', "Invalid enum value 'luck'"),
        (b'id = "framing"', b'id = "origins"', "two checkboxes are called origins"),
        (b'["origins",', b'["nowhere",', "rests on nowhere"),
        (b"settled-by", b"settledby", "unknown field `settledby`"),
        (b'settled-by = "invoke detect.all"\n', b"", "origins names nothing that settles it"),
    ],
)
def test_an_order_that_cannot_be_used_says_where(
    tmp_path: Path, old: bytes, new: bytes, told: str
) -> None:
    """It is unusable input, and nothing is ruled on."""
    files = {"SHOP.toml": OWN.replace(old, new, 1), "closeout.toml": b'order = "SHOP.toml"\n'}
    space = space_for(tmp_path / "home", write_files(tmp_path / "root", SHOP | files))
    with pytest.raises(CloseoutError, match=r"SHOP") as raised:
        report.build(space)
    assert told in raised.value.message


def test_order_new_writes_a_skeleton_and_says_what_it_matched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is like a known checkbox gets its ties; the rest is left to the operator."""
    file = tmp_path / "SHOP.md"
    file.write_text(MARKDOWN)
    asked = argparse.Namespace(file=file, act_on="new")
    assert order.run(asked, tmp_path) is ExitCode.SETTLED
    printed = capsys.readouterr().out
    assert "1: as 1.3, by its words" in printed
    assert "2: as 7.2, by its words" in printed
    assert "3: left to the operator: The shop's owner" in printed
    made = order_files.read((tmp_path / "SHOP.toml").read_bytes(), "SHOP.toml")
    assert made.title == "Shop hardening"
    assert [item.means.value for item in made.criteria] == ["static", "live", "operator"]
    assert made.criteria[0].rules == next(i for i in WO_004.criteria if i.id == "1.3").rules
    asked.act_on = "check"
    assert order.run(asked, tmp_path) is ExitCode.SETTLED
    asked.act_on = "new"
    with pytest.raises(CloseoutError, match="is there already"):
        order.run(asked, tmp_path)


def test_a_line_of_the_order_is_matched_by_its_digest() -> None:
    """Its words are ours and not the order's, so the digest alone tells."""
    like = skeleton.matched("- [x] first thing\n", WO_004)
    assert (like[0].like, like[0].is_exact) == (None, False)
