"""`closeout init` gives a monorepo its doors and takes nothing away."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from closeout.cli import error_handler
from closeout.cli import parser as door
from closeout.cli.commands import init
from closeout.errors import ExitCode
from tests.support.builders import snapshot, write_files

WHEEL = "tools/closeout.whl"
WRITTEN = {
    "tasks.py",
    "noxfile.py",
    "closeout.toml",
    ".github/workflows/closeout.yml",
    ".pre-commit-config.yaml",
}
HOOKS = b"""# Ours.
default_stages: [pre-push]
repos:
- repo: local
  hooks:
  - id: ours
    name: ours
    entry: "true"
    language: system

# What follows belongs to the end.
exclude: ^vendor/
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return an adopted monorepo."""
    write_files(tmp_path, {"cloud-layer/a.py": b""})
    assert init.adopt(str(tmp_path), WHEEL) is ExitCode.SETTLED
    return tmp_path


def _workflow(root: Path) -> dict[str, dict[str, dict[str, object]]]:
    loaded: dict[str, dict[str, dict[str, object]]] = yaml.safe_load(
        (root / ".github/workflows/closeout.yml").read_text()
    )
    return loaded


def test_adopt_writes_the_doors(root: Path) -> None:
    """A monorepo without them gets all of them, and they are Python that compiles."""
    assert set(snapshot(root)) == WRITTEN | {"cloud-layer/a.py"}
    for name in ("tasks.py", "noxfile.py"):
        compile((root / name).read_text(), name, "exec")
    (repository,) = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())["repos"]
    assert [hook["id"] for hook in repository["hooks"]] == ["closeout-detect"]


def test_adopt_writes_a_workflow_only_where_it_is_told_what_that_installs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A workflow that nobody told what to install is red from its first run."""
    write_files(tmp_path, {"cloud-layer/a.py": b""})
    assert init.adopt(str(tmp_path)) is ExitCode.SETTLED
    workflow = ".github/workflows/closeout.yml"
    assert set(snapshot(tmp_path)) == WRITTEN - {workflow} | {"cloud-layer/a.py"}
    assert "no workflow: `closeout init --install WHAT`" in capsys.readouterr().out
    assert init.adopt(str(tmp_path), WHEEL) is ExitCode.SETTLED
    assert f'CLOSEOUT: "{WHEEL}"' in (tmp_path / workflow).read_text()
    assert "no workflow" not in capsys.readouterr().out


def test_adopt_keeps_what_is_there_and_shows_the_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An existing file is never overwritten."""
    write_files(tmp_path, dict.fromkeys(WRITTEN, b"mine = 1\n"))
    before = snapshot(tmp_path)
    assert init.adopt(str(tmp_path)) is ExitCode.GAPS_LEFT
    assert snapshot(tmp_path) == before
    shown = capsys.readouterr().out
    assert "-mine = 1" in shown
    for name in WRITTEN:
        assert f"--- {name} (kept)" in shown


def test_adopt_twice_changes_nothing(root: Path) -> None:
    """The second run finds its own files."""
    once = snapshot(root)
    assert init.adopt(str(root)) is ExitCode.SETTLED
    assert snapshot(root) == once


def test_hook_is_shown_among_the_repositories_that_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The difference can be applied as it is: it adds our hook and takes none away."""
    write_files(tmp_path, {".pre-commit-config.yaml": HOOKS})
    assert init.adopt(str(tmp_path)) is ExitCode.GAPS_LEFT
    lines = capsys.readouterr().out.splitlines()
    begin = lines.index("--- .pre-commit-config.yaml (kept)")
    text = "\n".join(lines[begin:])
    assert not re.search(r"^-[^-]", text, re.MULTILINE)
    patch = text[: text.index("\nwrote ")].replace(" (kept)", "").replace(" (closeout)", "")
    subprocess.run(
        ["git", "apply", "-p0", "-"],
        cwd=tmp_path,
        input=patch + "\n",
        text=True,
        check=True,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)},
    )
    loaded = yaml.safe_load((tmp_path / ".pre-commit-config.yaml").read_text())
    ids = [hook["id"] for item in loaded["repos"] for hook in item["hooks"]]
    assert ids == ["ours", "closeout-detect"]
    assert loaded["exclude"] == "^vendor/"
    assert init.adopt(str(tmp_path)) is ExitCode.SETTLED


@pytest.mark.parametrize("content", [b"", b"repos: []\n", b"exclude: x", b"repos:", b"\xff\n"])
def test_hook_file_of_any_shape_is_kept(tmp_path: Path, content: bytes) -> None:
    """Nothing is parsed that the monorepo's owner did not write for us."""
    write_files(tmp_path, {".pre-commit-config.yaml": content})
    assert init.adopt(str(tmp_path)) is ExitCode.GAPS_LEFT
    assert (tmp_path / ".pre-commit-config.yaml").read_bytes() == content


def test_workflow_pins_every_action_and_asks_for_no_rights(root: Path) -> None:
    """A tag can be moved; a commit can not."""
    used = re.findall(r"uses: (\S+)(.*)", (root / ".github/workflows/closeout.yml").read_text())
    assert len(used) >= 8
    for action, comment in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action
    workflow = _workflow(root)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert isinstance(job["timeout-minutes"], int)
        for step in job["steps"]:  # type: ignore[attr-defined]  # as the workflow is
            assert "${{" not in step.get("run", ""), "an expression in a script is an injection"


def test_matrix_is_the_list_of_sessions(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The workflow's own step is run: its output names every session, and each is there."""
    steps = _workflow(root)["jobs"]["sessions"]["steps"]
    (step,) = [item for item in steps if item.get("id") == "list"]  # type: ignore[attr-defined]
    output = tmp_path_factory.mktemp("runner") / "output"
    runner = {
        **os.environ,
        "GITHUB_OUTPUT": str(output),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    script = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"])
    subprocess.run(script, cwd=root, env=runner, check=True)
    name, _, listed = output.read_text().partition("=")
    defined = set(
        re.findall(r"^def ([a-z]\w*)\(session", (root / "noxfile.py").read_text(), re.MULTILINE)
    )
    assert name == "names"
    assert set(json.loads(listed)) == defined - {"coverage_gates"}
    matrix = _workflow(root)["jobs"]["session"]["strategy"]["matrix"]  # type: ignore[index]
    assert matrix["session"] == "${{ fromJSON(needs.sessions.outputs.names) }}"


def test_reports_of_an_adopted_monorepo_lie_outside_what_is_judged(root: Path) -> None:
    """Evidence below the tree would turn itself stale: `.closeout` is left out of every walk."""
    for name in ("tasks.py", "noxfile.py"):
        assert '".closeout"' in (root / name).read_text()


def test_what_a_command_leaves_in_an_adopted_monorepo_stays_out_of_its_history(root: Path) -> None:
    """Git passes over it and over the file that says so; what leaves nothing makes no folder."""
    for command in (["init"], ["add", "."]):
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True)
    home = root / ".closeout"
    assert error_handler.guarded(home, lambda: ExitCode.SETTLED) is ExitCode.SETTLED
    assert not home.exists()

    def keep() -> ExitCode:
        write_files(home, {"reports/kept.json": b"{}"})
        return ExitCode.SETTLED

    assert error_handler.guarded(home, keep) is ExitCode.SETTLED
    status = ["git", "status", "--porcelain", "--untracked-files=all"]
    shown = subprocess.run(status, cwd=root, check=True, capture_output=True, text=True).stdout
    assert ".closeout/" not in shown
    assert (home / ".gitignore").is_file()


def test_what_a_subcommand_keeps_in_an_adopted_monorepo_stays_out_of_its_tree(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Environments that were made beside the sources were read and judged as sources."""
    homes: list[Path] = []
    monkeypatch.setattr(door, "run", lambda *given: homes.append(given[-1]) or 0)
    monkeypatch.delenv("CLOSEOUT_HOME", raising=False)
    for folder in (root, root / "cloud-layer"):
        monkeypatch.chdir(folder)
        door.main(["probe", "--root", "."])
    monkeypatch.setenv("CLOSEOUT_HOME", str(root / "elsewhere"))
    door.main([])
    assert homes == [root / ".closeout", root / "cloud-layer", root / "elsewhere"]
