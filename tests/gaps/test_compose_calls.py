"""A pipeline that starts a compose file on a bare checkout goes on once secrets are required."""

import subprocess
from pathlib import Path, PurePosixPath

import pytest
import yaml

from closeout.formats.compose_calls import filled
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps.external_secrets import GAP
from tests.support.builders import write_files

COMPOSE = b"services:\n  a:\n    image: a\n    environment: {JWT_SECRET: abcd-1234-efgh}\n"
WORKFLOW = ".github/workflows/speed.yml"
STEPS = b"""jobs:
  speed:
    steps:
      - uses: actions/checkout@v4
      - name: Start
        run: |
          docker compose -f farm/docker-compose.yml up -d
          sleep 3
"""
FILL = 'test -f farm/.env || sed "s/=$/=$(openssl rand -hex 24)/" farm/.env.example > farm/.env'


def _fixed(name: str, content: bytes) -> tuple[Overlay, str]:
    tree = MemoryTree({"farm/docker-compose.yml": COMPOSE, name: content})
    fixed = Overlay(tree)
    for change in GAP.fix(tree):
        for edit in change.edits:
            fixed.lay(edit)
    return fixed, (fixed.read(name) or b"").decode()


def test_a_pipeline_fills_in_what_the_compose_file_requires_by_now(tmp_path: Path) -> None:
    """Its own lines are run: every variable that is required has a value afterwards."""
    fixed, after = _fixed(WORKFLOW, STEPS)
    assert after == STEPS.decode().replace("docker compose", f"{FILL}\n          docker compose")
    write_files(tmp_path, {"farm/.env.example": fixed.read("farm/.env.example") or b""})
    subprocess.run(["bash", "-ec", FILL], cwd=tmp_path, check=True)
    lines = (tmp_path / "farm/.env").read_text().splitlines()
    assert [len(line) for line in lines if line.startswith("JWT_SECRET=")] == [11 + 48]
    assert list(filled(fixed, {})) == []


@pytest.mark.parametrize(
    ("name", "before"),
    [
        (WORKFLOW, "      - run: docker compose -f farm/docker-compose.yml up -d\n"),
        (
            ".gitlab-ci.yml",
            "test:\n  script:\n    - docker-compose -f farm/docker-compose.yml up -d\n",
        ),
    ],
)
def test_a_pipeline_of_single_commands_stays_yaml(name: str, before: str) -> None:
    """One command goes before the other, in its own item or in the same."""
    _, after = _fixed(name, before.encode())
    assert FILL in after
    assert after.index(FILL) < after.index("up -d")
    assert FILL in str(yaml.safe_load(after))


@pytest.mark.parametrize(
    "line",
    [
        "          cd farm && docker compose up -d",
        "          docker compose -f farm/docker-compose.yml --env-file ci.env up -d",
        "          docker compose -f other/docker-compose.yml up -d",
        "          docker compose -f farm/docker-compose.yml down",
        "          cp ci.env farm/.env\n          docker compose -f farm/docker-compose.yml up -d",
    ],
)
def test_a_pipeline_that_has_variables_or_starts_something_else_is_left(line: str) -> None:
    """Near misses: nothing is written into what works, or cannot be read for sure."""
    own = STEPS.replace(b"          docker compose -f farm/docker-compose.yml up -d", line.encode())
    assert _fixed(WORKFLOW, own)[1] == own.decode()
    elsewhere = PurePosixPath("notes/speed.yml")
    assert _fixed(str(elsewhere), STEPS)[1] == STEPS.decode()
