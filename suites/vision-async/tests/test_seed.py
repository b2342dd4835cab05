"""The seed: it writes its rows through the service's own access, and never in production."""

import asyncio
import importlib
import sys

import pytest

from app.db import InferenceDb

pytestmark = pytest.mark.integration


@pytest.fixture
def load(monkeypatch):
    """Return a function that loads the seed anew, under what the environment says."""

    def made(**environment):
        for name in ("NODE_ENV", "ALLOW_SEED_IN_PROD", "SEED_COUNT"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delitem(sys.modules, "app.seed", raising=False)
        return importlib.import_module("app.seed")

    return made


def test_is_not_loaded_in_production(load):
    with pytest.raises(SystemExit, match="1"):
        load(NODE_ENV="production")

    assert load(NODE_ENV="production", ALLOW_SEED_IN_PROD="true")


def test_writes_as_many_results_as_are_asked_for(load, database):
    seed = load(SEED_COUNT="31")
    asyncio.run(seed.seed_inference(InferenceDb("postgresql://nowhere")))

    rows = database.written("inference_results")
    assert len(rows) == len({row[0] for row in rows}) == 31
    assert all(row[8] > 0 and 0 <= row[9] <= 1 for row in rows)
    assert database.closed


def test_says_that_rows_are_missing(load, database, monkeypatch):
    async def refused(self, **row):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(InferenceDb, "create_inference_result", refused)

    with pytest.raises(RuntimeError, match="30"):
        asyncio.run(load().seed_inference(InferenceDb("postgresql://nowhere")))


def test_passes_over_rows_that_are_there(load, database, monkeypatch, capsys):
    async def known(self, **row):
        raise RuntimeError("duplicate key")

    monkeypatch.setattr(InferenceDb, "create_inference_result", known)

    with pytest.raises(RuntimeError):
        asyncio.run(load().seed_inference(InferenceDb("postgresql://nowhere")))
    assert "duplicate" not in capsys.readouterr().out


def test_ends_with_a_failure_where_there_is_no_database(load, database, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nowhere")
    database.failure = OSError("refused")

    with pytest.raises(SystemExit, match="1"):
        asyncio.run(load().main())


def test_seeds_the_database_that_the_environment_names(load, database, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere")
    asyncio.run(load().main())

    assert database.opened[0] == ("postgresql://elsewhere",)
