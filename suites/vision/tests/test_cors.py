import logging

import pytest

from app.cors import (
    LOCAL_ORIGINS,
    STAGE_VARIABLES,
    allowed_origins,
    canonical,
    in_production,
)


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch):
    for name in ("ALLOWED_ORIGINS", *STAGE_VARIABLES):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("entry", "origin"),
    [
        ("https://farm.example", "https://farm.example"),
        ("HTTPS://Farm.Example/", "https://farm.example"),
        ("https://farm.example:443", "https://farm.example"),
        ("http://farm.example:80", "http://farm.example"),
        ("https://farm.example:80", "https://farm.example:80"),
        ("http://localhost:5135", "http://localhost:5135"),
        ("http://[::1]:5135", "http://[::1]:5135"),
    ],
)
def test_writes_an_origin_as_browsers_do(entry, origin):
    assert canonical(entry) == origin


@pytest.mark.parametrize(
    "entry",
    [
        "*",
        "null",
        "farm.example",
        "ftp://farm.example",
        "https://",
        "https://*.farm.example",
        "https://farm.example/app",
        "https://farm.example?x=1",
        "https://farm.example#x",
        "https://user@farm.example",
        "https://farm.example:port",
    ],
)
def test_refuses_what_is_no_origin(entry):
    with pytest.raises(ValueError, match=r".+"):
        canonical(entry)


@pytest.mark.parametrize("name", STAGE_VARIABLES)
@pytest.mark.parametrize("stage", ["production", " Prod ", "staging"])
def test_knows_production_by_any_of_its_names(monkeypatch, name, stage):
    monkeypatch.setenv(name, stage)

    assert in_production()


def test_takes_a_development_machine_for_what_it_is(monkeypatch):
    monkeypatch.setenv("APP_ENV", "development")

    assert not in_production()
    assert allowed_origins() == LOCAL_ORIGINS


def test_refuses_to_guess_in_production(monkeypatch):
    monkeypatch.setenv("APP_ENV", "production")

    with pytest.raises(RuntimeError, match="ALLOWED_ORIGINS is not set"):
        allowed_origins()


def test_reads_the_list_with_blanks_slashes_and_repeats(monkeypatch):
    monkeypatch.setenv("ALLOWED_ORIGINS", " https://a.example/ ,, https://b.example,https://A.example ")

    assert allowed_origins() == ("https://a.example", "https://b.example")


@pytest.mark.parametrize("value", ["", " , "])
def test_trusts_nobody_where_the_list_is_empty(monkeypatch, caplog, value):
    monkeypatch.setenv("ALLOWED_ORIGINS", value)

    with caplog.at_level(logging.WARNING):
        assert allowed_origins() == ()

    assert "names no origin" in caplog.text


def test_leaves_a_wrong_entry_out_while_developing(monkeypatch, caplog):
    monkeypatch.setenv("ALLOWED_ORIGINS", "*,https://a.example")

    assert allowed_origins() == ("https://a.example",)
    assert "'*' is refused" in caplog.text


def test_does_not_start_on_a_wrong_entry_in_production(monkeypatch):
    monkeypatch.setenv("APP_ENV", "production")
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://a.example,null")

    with pytest.raises(RuntimeError, match="'null' is refused"):
        allowed_origins()
