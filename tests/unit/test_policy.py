"""The policy session: what is waived, what is not, and a scanner that did not look."""

import json
from pathlib import Path

import pytest

from closeout.errors import CloseoutError, ExitCode
from closeout.resources import BUNDLE
from tools import policy

WAIVED = """[[waiver]]
check = "CKV_1"
resource = "CronJob.a.b"
reason = "known"
"""


def scanner(place: Path, failed: list[dict[str, object]], passed: int = 9) -> Path:
    """Make a stand-in for checkov that answers with these failures."""
    answer = {
        "summary": {"passed": passed, "parsing_errors": 0},
        "results": {"failed_checks": failed, "skipped_checks": []},
    }
    program = place / "checkov"
    program.write_text(f"#!/bin/sh\ncat <<'JSON'\n{json.dumps(answer)}\nJSON\n")
    program.chmod(0o755)
    return program


def failure(check: str, resource: str, path: str) -> dict[str, object]:
    """Return a failure as checkov writes it."""
    return {
        "check_id": check,
        "check_name": "what it wants",
        "resource": resource,
        "file_path": f"/{path}",
        "file_line_range": [3, 9],
    }


PLANTED = failure("CKV_K8S_16", "Pod.default.planted", "planted/pod.yaml")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Provide a project with one manifest and one waiver."""
    (tmp_path / "k8s").mkdir()
    (tmp_path / "k8s" / "a.yaml").write_text("kind: CronJob\n")
    (tmp_path / policy.WAIVERS).write_text(WAIVED)
    return tmp_path


def test_policy_is_settled_when_every_failure_is_waived(home: Path) -> None:
    """A failure with its reason in the file passes."""
    program = scanner(home, [PLANTED, failure("CKV_1", "CronJob.a.b", "k8s/a.yaml")])
    assert policy.judge(home, program) is ExitCode.SETTLED


@pytest.mark.parametrize(
    "found",
    [
        [
            failure("CKV_1", "CronJob.a.b", "k8s/a.yaml"),
            failure("CKV_2", "CronJob.a.b", "k8s/a.yaml"),
        ],
        [failure("CKV_1", "CronJob.a.other", "k8s/a.yaml")],
        [],
    ],
    ids=["another-check", "another-resource", "waiver-that-nothing-needs"],
)
def test_policy_fails_when_a_failure_and_the_waivers_do_not_match(
    home: Path, found: list[dict[str, object]], capsys: pytest.CaptureFixture[str]
) -> None:
    """A waiver is for one check of one resource, and goes when it is no longer needed."""
    assert policy.judge(home, scanner(home, [PLANTED, *found])) is ExitCode.GAPS_LEFT
    assert "waive" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("failed", "passed"),
    [([], 9), ([PLANTED], 0)],
    ids=["planted-fault-not-found", "nothing-scanned"],
)
def test_policy_is_no_pass_when_the_scanner_did_not_look(
    home: Path, failed: list[dict[str, object]], passed: int
) -> None:
    """A scan that finds no fault in a bad manifest, or no manifest, is an error."""
    with pytest.raises(CloseoutError, match="judged nothing"):
        policy.judge(home, scanner(home, failed, passed))


@pytest.mark.parametrize(
    "text", ["", WAIVED + WAIVED, WAIVED.replace("known", " "), WAIVED.replace("check", "chek")]
)
def test_waivers_are_refused_when_one_is_unusable(home: Path, text: str) -> None:
    """No reason, no waiver."""
    (home / policy.WAIVERS).write_text(text)
    with pytest.raises(CloseoutError, match=policy.WAIVERS):
        policy.load(home / policy.WAIVERS)


def test_own_waivers_each_have_a_reason() -> None:
    """What this project waives is few and explained."""
    waivers = policy.load(BUNDLE / policy.WAIVERS)
    assert 0 < len(waivers) < 10
    assert all(len(reason) > 40 for reason in waivers.values())
