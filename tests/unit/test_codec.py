"""Values of ours survive their JSON, and what is spoiled is told with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from closeout.errors import CloseoutError
from closeout.fs import codec
from closeout.runs import evidence_store, plan_record
from closeout.runs.plan_record import Record
from tests.support.builders import evidence
from tools import schemas


@pytest.mark.parametrize(
    ("member", "value", "told"),
    [
        ("passed", "yes", "$.evidence[0].passed"),
        ("seconds", -1, "$.evidence[0].seconds"),
        ("seconds", "1", "$.evidence[0].seconds"),
        ("means", "hearsay", "'hearsay' - at `$.evidence[0].means`"),
        ("at", "yesterday", "$.evidence[0].at"),
        ("at", "2026-11-01T00:00:00", "$.evidence[0].at"),
        ("observed", "", "$.evidence[0].observed"),
        ("measures", {"name": "x"}, "$.evidence[0].measures"),
        ("measures", [{"name": "x", "value": None, "unit": ""}], "measures[0].value"),
    ],
)
def test_spoiled_evidence_is_told_with_its_place(
    tmp_path: Path, member: str, value: object, told: str
) -> None:
    """No value is bent until it fits."""
    place = evidence_store.write(tmp_path, "live", [evidence()])
    document = json.loads(place.read_bytes())
    document["evidence"][0][member] = value
    place.write_text(json.dumps(document))
    with pytest.raises(CloseoutError) as caught:
        evidence_store.read(place)
    assert caught.value.reference == "evidence-unusable"
    assert told in caught.value.message


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"[" * 100_000, b'{"before": {"cors": -1}}', b'{"before": NaN}']
)
def test_a_spoiled_plan_is_told_by_its_run(tmp_path: Path, content: bytes) -> None:
    """What is no JSON, no UTF-8, nested too deeply or no plan is one kind of error."""
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(CloseoutError) as caught:
        plan_record.read(tmp_path)
    assert caught.value.reference == "run-unusable"


def test_a_plan_that_leads_out_of_the_tree_is_refused(tmp_path: Path) -> None:
    """A path that a run kept is as foreign as any other once it is read again."""
    change = {"path": "../elsewhere", "gap": "cors", "origin": "derived"}
    (tmp_path / "plan.json").write_text(json.dumps({"changes": [change]}))
    with pytest.raises(CloseoutError) as caught:
        plan_record.read(tmp_path)
    assert caught.value.reference == "unsafe-path"


def test_plain_takes_what_no_encoder_would() -> None:
    """A lone surrogate in what a service answered ends no report."""
    made = codec.plain((evidence(observed="a\ud800b"),))
    assert json.dumps(made, ensure_ascii=False).encode()
    assert made[0]["observed"] == "a?b"


def test_an_empty_plan_survives_its_json() -> None:
    """What has a default may be left out."""
    assert codec.decode(Record, b"{}") == Record()


def test_published_schemas_are_as_their_types_give_them() -> None:
    """A field that is added to a type is published with it."""
    home = Path(schemas.__file__).parents[1]
    assert {name: (home / name).read_text() for name in schemas.files()} == schemas.files()


def test_what_every_result_had_is_promised_still() -> None:
    """Within version 1 nothing that was required may be left out, and nothing is left open."""
    report = json.loads(schemas.files()[f"{schemas.FOLDER}/report.schema.json"])
    closed = [shape for shape in (report, *report["$defs"].values()) if "properties" in shape]
    assert all(shape["additionalProperties"] is False for shape in closed)
    row = report["$defs"]["EvidenceRow"]
    assert set(row["properties"]) - set(row["required"]) == {"bug", "stand_ins"}
    others = [shape for shape in closed if shape is not row]
    assert all(set(shape["required"]) == set(shape["properties"]) for shape in others)
    criteria = report["properties"]["criteria"]["items"]
    assert criteria["then"]["properties"]["evidence"]["minItems"] == 1
