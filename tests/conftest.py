"""Skip what needs a tool that is not here; CI names the tools it must have."""

import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from typing import TypeVar

import pytest

_Report = TypeVar("_Report", pytest.CollectReport, pytest.TestReport)
_SYSTEM_FOLDERS = "/usr/sbin:/usr/local/sbin:/sbin"
_SLOWEST_FIRST = (
    *("test_audit", "test_backup_faults", "test_dbt", "test_suites", "test_dbt_supplied"),
    *("test_negative_control", "test_hostile", "test_dbt_corpus", "test_words", "test_close_out"),
    *(
        "test_backup_drill",
        "test_cheats",
        "test_drift_typescript",
        "test_environments",
        "test_pins",
    ),
)
"""Modules that took more than 50 seconds of a core each when they were measured."""
_ENVIRONMENTS = {
    "services-env": "CLOSEOUT_LIVE_PYTHON",
    "dbt-env": "CLOSEOUT_DBT_PYTHON",
    "vision-env": "CLOSEOUT_VISION_PYTHON",
    "old-pips": "CLOSEOUT_OLD_PIPS",
}


def _is_here(need: str) -> bool:
    if need in _ENVIRONMENTS:
        return bool(os.environ.get(_ENVIRONMENTS[need]))
    return bool(shutil.which(need) or shutil.which(need, path=_SYSTEM_FOLDERS))


@pytest.fixture(autouse=True, scope="session")
def recalled_nowhere_else() -> Iterator[None]:
    """Keep what one run learns for the next away from the user's own folders."""
    with (
        tempfile.TemporaryDirectory(prefix="closeout-cache-") as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("CLOSEOUT_CACHE", folder)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no worker is left alone with it at the end."""
    turns = {name: turn for turn, name in enumerate(_SLOWEST_FIRST)}
    items.sort(key=lambda item: turns.get(item.path.stem, len(turns)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose needs are not met, or fail it where CLOSEOUT_REQUIRE_TOOLS is set."""
    needs = [need for mark in item.iter_markers("needs") for need in mark.args]
    missing = [need for need in needs if not _is_here(need)]
    if missing and os.environ.get("CLOSEOUT_REQUIRE_TOOLS"):
        pytest.fail(f"needs {', '.join(missing)}, and this run must not skip", pytrace=False)
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a module that is skipped as a whole into a failure where nothing may be skipped."""
    del collector
    return _unskipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn every other skip into a failure too where CLOSEOUT_REQUIRE_TOOLS is set."""
    del item, call
    return _unskipped((yield))


def _unskipped(report: _Report) -> _Report:
    if report.skipped and os.environ.get("CLOSEOUT_REQUIRE_TOOLS"):
        report.outcome = "failed"
    return report
