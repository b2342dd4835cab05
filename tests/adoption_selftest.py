"""Adopt a monorepo with the wheel alone: `nox -s adoption` runs it, the plain tests do not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from closeout.errors import ExitCode
from tests.support.monorepos import reference_copy

HOME = Path(__file__).resolve().parents[1]
_CODE = "import closeout.resources, closeout; print(closeout.__file__, closeout.resources.BUNDLE)"
_SUITES = ("5.1", "5.2", "5.3", "5.4", "5.5", "6.1", "6.2", "6.3", "6.4", "6.5", "M.4", "M.5")


def _run(*words: str | Path, cwd: Path, path: str = "") -> subprocess.CompletedProcess[str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONPATH", "CLOSEOUT_ROOT", "CLOSEOUT_HOME", "VIRTUAL_ENV"}
    }
    environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        words,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def _installed(folder: Path) -> Path:
    """Return the programs of a fresh environment that holds the pins and the wheel."""
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    steps: list[tuple[str | Path, ...]] = [(*pip, "--wheel-dir", folder / "wheel", HOME)]
    programs = folder / "env" / "bin"
    install = (programs / "python", "-m", "pip", "install", "--quiet")
    steps += [
        (sys.executable, "-m", "virtualenv", "--quiet", folder / "env"),
        (*install, "--no-deps", "--no-index", "--find-links", folder / "wheel", "closeout"),
        (programs / "python", "-m", "closeout.harness.environments", "requirements/closeout.txt"),
    ]
    for step in steps:
        done = _run(*step, cwd=folder)
        assert done.returncode == 0, done.stderr
    return programs


def test_monorepo_is_adopted_fixed_and_judged_without_the_checkout(tmp_path: Path) -> None:
    """Both doors of an adopted copy work: fix, judge the suites in sessions, report."""
    programs = _installed(tmp_path)
    root = reference_copy(tmp_path / "farm")

    def there(program: str, *words: str) -> subprocess.CompletedProcess[str]:
        return _run(programs / program, *words, cwd=root, path=str(programs))

    found = there("python", "-c", _CODE).stdout
    assert found.count(str(tmp_path / "env")) == 2, found
    assert str(HOME / "src") not in found
    assert there("closeout", "init", "--root", ".").returncode == 0
    fixed = there("invoke", "fix.all")
    assert fixed.returncode == ExitCode.UNPROVEN, fixed.stdout + fixed.stderr
    assert "report: .closeout/reports/" in fixed.stdout
    judged = there("nox", "-s", "coverage_gates")
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert there("invoke", "detect.all").returncode == 0
    assert there("invoke", "report.build").returncode == 0
    made = json.loads((root / ".closeout/reports/latest/report.json").read_text())
    verdicts = {item["id"]: item["verdict"] for item in made["criteria"]}
    assert {verdicts[number] for number in _SUITES} == {"CLOSED"}
    assert there("invoke", "fix.all").returncode == ExitCode.UNPROVEN
    assert there("invoke", "report.verify").returncode == 0
