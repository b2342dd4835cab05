"""The log of progress and errors: what is kept in Redis, for how long, and what is read again."""

import importlib
import json
import sys
from fnmatch import fnmatchcase

import pytest

from app.config import Config

DAY = 24 * 60 * 60


class Redis:
    """The commands of a Redis that the service uses, on a dictionary."""

    def __init__(self):
        self.values = {}
        self.lives = {}
        self.lists = {}
        self.failing = set()

    def __getattribute__(self, name):
        if name in object.__getattribute__(self, "failing"):
            raise ConnectionError(name)
        return object.__getattribute__(self, name)

    def ping(self):
        return True

    def setex(self, key, seconds, value):
        self.values[key] = value
        self.lives[key] = seconds

    def get(self, key):
        return self.values.get(key)

    def lpush(self, name, key):
        self.lists.setdefault(name, []).insert(0, key)

    def ltrim(self, name, start, end):
        self.lists[name] = self.lists[name][start : end + 1]

    def lrange(self, name, start, end):
        return self.lists.get(name, [])[start : end + 1]

    def keys(self, pattern):
        return [key for key in self.values if fnmatchcase(key, pattern)]

    def delete(self, *keys):
        for key in keys:
            self.values.pop(key, None)


@pytest.fixture
def redis(monkeypatch):
    """Return the Redis that `redis.from_url` answers with."""
    made = Redis()
    made.opened = []

    def from_url(url, **options):
        made.opened.append((url, options))
        return made

    monkeypatch.setattr("redis.from_url", from_url, raising=False)
    return made


@pytest.fixture
def service(redis, monkeypatch):
    monkeypatch.delitem(sys.modules, "app.services.redis_service", raising=False)
    return importlib.import_module("app.services.redis_service").RedisService()


def test_connects_with_texts_and_with_deadlines(service, redis):
    url, options = redis.opened[-1]

    assert url.startswith("redis://")
    assert options["decode_responses"] is True
    deadlines = [value for name, value in options.items() if "timeout" in name]
    assert deadlines
    assert all(0 < seconds <= 60 for seconds in deadlines)
    assert service.is_connected()


def test_connects_where_the_settings_say(redis, monkeypatch, service):
    monkeypatch.setattr(Config, "REDIS_URL", "redis://elsewhere:1", raising=False)
    type(service)()

    assert redis.opened[-1][0] == "redis://elsewhere:1"


def test_keeps_progress_for_a_day_and_shows_the_latest(service, redis):
    service.log_progress(7, 10, "begun")
    service.log_progress(7, 40, "looking", {"picture": 2})

    latest = service.get_progress(7)
    assert {"run_id": 7, "type": "progress", "progress": 40, "message": "looking"}.items() <= (
        latest.items()
    )
    assert latest["details"] == {"picture": 2}
    assert service.get_progress(8) is None
    assert DAY in redis.lives.values()


def test_keeps_errors_for_a_week_and_shows_the_latest_first(service, redis):
    service.log_error(7, "model", "gone")
    service.log_error(8, "disk", "full", {"free": 0})

    latest, first = service.get_errors()
    assert (latest["run_id"], latest["error_type"], latest["error_message"]) == (8, "disk", "full")
    assert (latest["type"], latest["details"]) == ("error", {"free": 0})
    assert (first["run_id"], first["details"]) == (7, {})
    assert set(redis.lives.values()) == {7 * DAY}


def test_shows_the_errors_of_one_run(service):
    service.log_error(7, "model", "gone")
    service.log_error(8, "disk", "full")

    assert [error["run_id"] for error in service.get_errors(7)] == [7]
    assert service.get_errors(9) == []


def test_shows_no_more_errors_than_are_asked_for(service):
    for run in range(5):
        service.log_error(run, "disk", "full")

    assert len(service.get_errors(limit=2)) == 2


def test_keeps_a_thousand_errors_at_most(service, redis):
    service.log_error(1, "disk", "full")
    (name,) = redis.lists
    redis.lists[name] = ["old"] * 1000
    service.log_error(2, "disk", "full")

    assert len(redis.lists[name]) == 1000


def test_passes_over_an_error_that_has_expired(service, redis):
    service.log_error(7, "model", "gone")
    redis.values.clear()

    assert service.get_errors() == []


def test_forgets_one_run(service):
    for run in (7, 8):
        service.log_error(run, "disk", "full")
        service.log_progress(run, 10, "begun")

    service.clear_run_data(7)

    assert service.get_progress(7) is None
    assert [error["run_id"] for error in service.get_errors(8)] == [8]
    assert service.get_errors(7) == []


def test_forgets_a_run_of_which_nothing_is_known(service, redis):
    service.clear_run_data(7)

    assert redis.values == {}


@pytest.mark.parametrize("gone", ["ping", "setex"])
def test_goes_on_where_nothing_can_be_kept(service, redis, gone):
    redis.failing = {gone}
    service.log_error(7, "model", "gone")
    service.log_progress(7, 10, "begun")
    redis.failing = set()

    assert redis.values == {}
    assert service.get_errors() == []


@pytest.mark.parametrize("gone", ["ping", "get"])
def test_knows_nothing_where_nothing_can_be_read(service, redis, gone):
    service.log_error(7, "model", "gone")
    service.log_progress(7, 10, "begun")
    redis.failing = {gone}

    assert service.get_progress(7) is None
    assert service.get_errors() == []


@pytest.mark.parametrize("gone", ["ping", "delete"])
def test_goes_on_where_nothing_can_be_forgotten(service, redis, gone):
    service.log_progress(7, 10, "begun")
    kept = dict(redis.values)
    redis.failing = {gone}
    service.clear_run_data(7)

    assert redis.values == kept


def test_starts_without_a_redis(redis, service):
    redis.failing = {"ping"}
    alone = type(service)()

    assert not alone.is_connected()
    assert alone.redis_client is None


def test_writes_what_others_can_read(service, redis):
    service.log_progress(7, 10, "begun")

    assert all(json.loads(value)["timestamp"] for value in redis.values.values())
