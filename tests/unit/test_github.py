"""What GitHub Actions gets: annotations, a job summary, problem matchers and a workflow."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from closeout.cli import namespace
from closeout.cli.commands import detect
from closeout.console import output
from closeout.errors import CloseoutError, ExitCode
from closeout.reporting import github
from closeout.reporting.report import to_json
from tests.support import reports
from tests.support.monorepos import TASKS, invoke, reference_copy, space_for

CI = Path(__file__).resolve().parents[2] / "docs" / "ci"
SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
"""How the runner starts a step."""
PLACE = {
    "gap": "toy",
    "rule": "toy-rule",
    "criterion": "1.1",
    "path": "a.py",
    "line": 3,
    "message": "why",
}


def _ran(steps: dict[str, Any], name: str) -> str:
    return next(step["run"] for step in steps["steps"] if step.get("name") == name)


def _decoded(line: str) -> tuple[str, dict[str, str], str]:
    """Read one command as the runner does."""
    matched = re.fullmatch(r"::(\w+)(?: (.*?))?::(.*)", line)
    assert matched, line
    kind, said, message = matched.groups()
    properties = dict(part.split("=", 1) for part in said.split(",")) if said else {}
    for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        properties = {name: value.replace(code, char) for name, value in properties.items()}
        message = message.replace(code, char) if code not in {"%3A", "%2C"} else message
    return kind, properties, message


@pytest.mark.parametrize(
    "text",
    ["plain", "100% of a:b, c", "two\nlines\r\n", "::error::x\n::add-mask::y", "%0A", "%25,"],
)
def test_command_keeps_any_text_on_one_line_and_gives_it_back(text: str) -> None:
    """No text can end a property, end the command or start another one."""
    line = github.command("error", text, file=text, title=text)
    assert "\n" not in line
    assert "\r" not in line
    assert _decoded(line) == ("error", {"file": text, "title": text}, text)


def test_annotations_name_files_from_the_checkout_and_stop_where_the_runner_does() -> None:
    """The runner shows ten of a kind; what is left is counted."""
    places = [{**PLACE, "line": number} for number in range(1, 15)]
    lines = list(github.commands({"places": places}, None, "mono/"))
    decoded = [_decoded(line) for line in lines]
    assert [kind for kind, _, _ in decoded] == ["error"] * 10 + ["notice"]
    assert decoded[0][1] == {"file": "mono/a.py", "line": "1", "title": "1.1 toy-rule"}
    assert decoded[-1][2].startswith("4 more places")


def test_nothing_is_told_to_a_runner_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both outputs are asked for by the environment, each alone."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    github.tell({"places": [PLACE]}, None)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    github.tell({"places": [PLACE]}, None)
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("::error ")) == ("", 1)
    monkeypatch.delenv("GITHUB_ACTIONS")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    github.tell({"places": [PLACE]}, None)
    github.tell({}, CloseoutError("toy", "a | b <i>", hint="do this."))
    assert capsys.readouterr() == ("", "")
    text = (tmp_path / "summary.md").read_text()
    assert "| a.py:3 | toy-rule | why |" in text
    assert "a \\| b &lt;i>" in text
    assert "do this." in text


def test_summary_stays_within_what_the_runner_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A summary over a mebibyte would be refused whole."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    for _ in range(2):
        github.tell({"places": [{**PLACE, "message": "x" * 300}] * 3000}, None)
    assert (tmp_path / "summary.md").stat().st_size <= 1024 * 1024


def test_summary_names_what_settles_each_criterion_that_is_left() -> None:
    """An open place is its fix's or its owner's, and not that of a session which asks about it."""
    summary = github.summary({"report": to_json(reports.made())}, None)
    rows = [line.strip("| ").split(" | ") for line in summary.splitlines() if " | " in line]
    settling = {row[0]: row[-1].replace("\\", "") for row in rows}
    assert settling[reports.OPEN] == "invoke fix.cors"
    assert settling[reports.BLOCKED] == "by whoever owns the code"
    assert settling[reports.UNPROVEN] == "invoke secrets.verify"


def test_a_hostile_name_is_no_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The runner reads every line of stdout and stderr, even after blanks."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    output.say("ok\n  ::add-mask::a\n##[add-mask]b")
    output.warn("::add-mask::c")
    shown = capsys.readouterr()
    lines = (shown.out + shown.err).splitlines()
    assert len(lines) == 4
    assert [line for line in lines if line.strip().startswith("::") or "##[" in line] == []


def test_matchers_read_the_lines_that_commands_print(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every place, refusal and error is matched by one pattern below its file, no other line is."""
    matchers = json.loads((CI / "problem-matcher.json").read_text())["problemMatcher"]
    patterns = {item["owner"]: item["pattern"] for item in matchers}
    root = reference_copy(tmp_path / "farmiq")
    broken = root / "cloud-layer/cloud-analytics-service/app/main.py"
    broken.write_bytes(broken.read_bytes() + b"\ndef broken(:\n")
    assert detect.detect(space_for(tmp_path, root), detect.select("cors")) is ExitCode.GAPS_LEFT
    matched = dict.fromkeys(patterns, 0)
    files: set[str] = set()
    lines = capsys.readouterr().out.splitlines()
    for owner in ("closeout-open", "closeout-refused"):
        file, place = (re.compile(part["regexp"], re.ASCII) for part in patterns[owner])
        current = ""
        for line in lines:
            found = file.match(line)
            if found:
                current = found[1]
            elif current and place.match(line):
                matched[owner] += 1
                files.add(current)
            else:
                current = ""
    told = [line for line in lines if re.match(r" {4,}(\d+)? +(1\.\d|unparsable)", line)]
    assert matched["closeout-open"] + matched["closeout-refused"] == len(told)
    assert matched["closeout-refused"] == 1
    assert "cloud-layer/cloud-analytics-service/app/main.py" in files
    error = invoke(tmp_path / "home", "detect.all", "--root", "nowhere").stderr.splitlines()
    first, second = (re.compile(part["regexp"]) for part in patterns["closeout-error"])
    assert first.match(error[0])
    assert second.match(error[1])


def test_workflow_is_narrow_and_every_command_in_it_exists() -> None:
    """It may read the code alone, ends in bounded time, and runs pull requests' own events."""
    workflow = yaml.safe_load((CI / "closeout.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert set(workflow[True]) == {"pull_request", "push"}, "YAML 1.1 reads `on` as true"
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        assert all(step.keys() & {"uses", "run"} for step in job["steps"])
    text = (CI / "closeout.yml").read_text()
    assert "pull_request_target" not in text
    assert not re.findall(r"uses: \S+@(?![0-9a-f]{40} )", text), "actions are pinned by digest"
    tasks, subcommands = namespace(CI).task_names, set(re.findall(r"-m closeout (\w+)", text))
    assert set(re.findall(r"invoke ([a-z.-]+)", text)) <= set(tasks)
    assert subcommands == {"environment", "probe"}


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (4, 0), (1, 1), (2, 1), (3, 1)])
def test_workflow_s_probe_step_takes_each_exit_code_for_what_it_is(
    tmp_path: Path, code: int, expected: int
) -> None:
    """Unproven is no regression; a red probe, unusable input and a bug of ours are failures."""
    workflow = yaml.safe_load((CI / "closeout.yml").read_text())
    stand_in = tmp_path / "python"
    stand_in.write_text(f'#!/bin/sh\n[ "$3" = probe ] && exit {code}\necho python\n')
    stand_in.chmod(0o755)
    done = subprocess.run(
        (*SHELL, _ran(workflow["jobs"]["probes"], "Probe")),
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "RUNNER_TEMP": str(tmp_path)},
        check=False,
    )
    assert done.returncode == expected


def test_workflow_fails_on_a_regression_and_on_nothing_else(tmp_path: Path) -> None:
    """Its own step is run as the runner would: on a closed gap, and with one fix taken back."""
    workflow = yaml.safe_load((CI / "closeout.yml").read_text())
    step = _ran(workflow["jobs"]["places"], "Detect")
    root = reference_copy(tmp_path / "farmiq")
    touched = root / "cloud-layer/cloud-data-pipeline/models/marts/analytics/fact_farm_summary.sql"
    before = touched.read_bytes()
    told = tmp_path / "fixed.md"
    fixed = invoke(tmp_path / "home", "fix.all", "--root", str(root), GITHUB_STEP_SUMMARY=str(told))
    assert fixed.returncode == 4
    assert re.search(r"^\| 3\. .+ \| \d+ \| 0 \| UNPROVEN \|$", told.read_text(), re.MULTILINE)
    assert "| nox -s dbt |" in told.read_text()
    (root / "tasks.py").write_text(TASKS)
    summary = tmp_path / "summary.md"
    runner = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(root),
        "GITHUB_STEP_SUMMARY": str(summary),
    }

    def step_code() -> tuple[int, str]:
        done = subprocess.run(
            (*SHELL, step), cwd=root, env=runner, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stderr

    assert step_code()[0] == 0
    touched.write_bytes(before)
    code, shown = step_code()
    assert code == 1
    assert f"::error file={touched.relative_to(root)},line=" in shown
    assert "open places" in summary.read_text()
