"""What live tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from closeout.gaps.backup.probing import drill
from closeout.gaps.backup.probing.scripts import ScriptBench
from closeout.harness import postgres


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder where Node packages are installed once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    """Provide one seeded server for the module."""
    with drill.workplace() as place, postgres.server(place) as running:
        drill.seed(running)
        yield running


@pytest.fixture
def bench(server: postgres.Server, tmp_path: Path) -> ScriptBench:
    """Provide an empty backup folder, and the scripts to fill it."""
    return ScriptBench(
        server=server, scripts=drill.SCRIPTS, folder=tmp_path / "backups", scratch=tmp_path
    )
