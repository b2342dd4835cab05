"""Services are found by parsing, and closeout.toml declares or corrects them."""

from collections.abc import Mapping
from pathlib import PurePosixPath

import pytest

from closeout.errors import CloseoutError
from closeout.fs.tree import DiskTree, MemoryTree
from closeout.gaps.cors.detect import IDENTITY, INGESTION, LISTED, SIBLINGS
from closeout.gaps.factory_secret.services import TENANT_REGISTRY
from closeout.harness.service_discovery import roster
from closeout.runs.workspace import REFERENCE

APP = b"from fastapi import FastAPI\n\napp = FastAPI()\n"
FILES = {
    "services/barn/requirements.txt": b"fastapi\n",
    "services/barn/barn/server.py": APP,
    "services/gate/package.json": b'{"dependencies": {"express": "5.1.0"}}',
    "services/gate/src/index.ts": b"import express from 'express'\nconst app = express()\n",
    "services/docs/package.json": b'{"devDependencies": {"express": "5.1.0"}}',
    "services/docs/src/index.ts": b"// express() is for others\nexport const a = 1\n",
}


def _tree(declared: str = "") -> MemoryTree:
    return MemoryTree({**FILES, **({"closeout.toml": declared.encode()} if declared else {})})


def test_roster_of_the_reference_holds_every_service_that_is_probed() -> None:
    """Nothing that a probe names has to be declared, and no further FastAPI service is found."""
    found = roster(DiskTree(REFERENCE))
    assert {*LISTED, *SIBLINGS, IDENTITY, TENANT_REGISTRY, INGESTION} <= set(found)
    fastapi = {name for name, member in found.items() if member.kind == "fastapi"}
    assert fastapi == {*LISTED, *SIBLINGS}
    assert {found[name].app for name in fastapi} == {"app.main"}


def test_roster_finds_services_under_other_names_and_folders() -> None:
    """What creates an application is a service, wherever it stands; a mention is none."""
    found = roster(_tree())
    assert set(found) == {"barn", "gate"}
    assert found["barn"].folder == PurePosixPath("services/barn")
    assert found["barn"].app == "barn.server"
    assert found["gate"].kind == "express"


def test_roster_lets_a_declaration_correct_what_was_found() -> None:
    """What an entry does not say stays as it was found."""
    declared = """
[[service]]
name = "barn"
app = "barn.server:build"
env = { MODE = "dummy" }
stubs = ["tensorrt"]
"""
    member = roster(_tree(declared))["barn"]
    assert member.folder == PurePosixPath("services/barn")
    assert member.app == "barn.server:build"
    assert member.env == {"MODE": "dummy"}
    assert member.stubs == ("tensorrt",)


def test_roster_takes_a_service_that_was_not_found() -> None:
    """Folder and kind are enough."""
    declared = '[[service]]\nname = "manual"\nfolder = "services/docs"\nkind = "express"\n'
    assert roster(_tree(declared))["manual"].folder == PurePosixPath("services/docs")


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        ('name = "door"\nfolder = "services/gate"\n', {"barn": "barn.server", "door": "app.main"}),
        (
            'name = "byre"\nfolder = "services/barn"\nkind = "fastapi"\n',
            {"byre": "barn.server", "gate": "app.main"},
        ),
        (
            'name = "byre"\nfolder = "services"\nkind = "fastapi"\napp = "barn.barn.server:app"\n',
            {"byre": "barn.barn.server:app", "gate": "app.main"},
        ),
    ],
)
def test_service_that_is_declared_under_another_name_is_one_service(
    declared: str, found: Mapping[str, str]
) -> None:
    """It is known by its folder or its application, and is not asked a second time."""
    made = roster(_tree(f"[[service]]\n{declared}"))
    assert {name: member.app for name, member in made.items()} == found


def test_services_of_one_folder_name_are_all_there() -> None:
    """One would hide the other: its answers would speak for both."""
    files = {
        path.replace("services/", place): content
        for place in ("services/", "cloud-layer/", "a/b/")
        for path, content in FILES.items()
    }
    files["services/gate/requirements.txt"] = b"fastapi\n"
    files["services/gate/app/main.py"] = APP
    found = {
        name: (str(made.folder), made.kind) for name, made in roster(MemoryTree(files)).items()
    }
    assert found == {
        "barn": ("cloud-layer/barn", "fastapi"),
        "services.barn": ("services/barn", "fastapi"),
        "a.b.barn": ("a/b/barn", "fastapi"),
        "gate": ("cloud-layer/gate", "express"),
        "services.gate": ("services/gate", "express"),
        "services.gate.fastapi": ("services/gate", "fastapi"),
        "a.b.gate": ("a/b/gate", "express"),
    }
    named = '[[service]]\nname = "gate"\nfolder = "services/gate"\nkind = "fastapi"\n'
    corrected = roster(MemoryTree(files | {"closeout.toml": named.encode()}))
    assert (corrected["gate"].kind, corrected["gate"].app) == ("fastapi", "app.main")
    assert corrected["cloud-layer.gate"].kind == "express"
    assert len(corrected) == len(found) - 1


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ("[[service", "at end of document"),
        ("[[services]]\nname = 'barn'\n", "no key 'services'; the nearest one is 'service'"),
        ("[[service]]\nfolder = 'a'\n", "service.0: 'name' is a required property"),
        ("[[service]]\nname = 'barn'\nkind = 'django'\n", "service.0.kind: 'django' is not one of"),
        ("[[service]]\nname = 'barn'\nport = 1\n", "no key 'port'; the nearest one is"),
        ("[[service]]\nname = 'barn'\nenv = { A = 1 }\n", "service.0.env.A: 1 is not of type"),
        ("[[service]]\nname = 'barn'\napp = 'a b'\n", "service.0.app"),
        ("[[service]]\nname = 'new'\nkind = 'fastapi'\n", "say its folder and its kind"),
        ("[[service]]\nname = 'barn'\nfolder = 'nowhere'\n", "holds no file"),
        ("[[service]]\nname = 'barn'\n[[service]]\nname = 'barn'\n", "declared twice"),
    ],
)
def test_roster_refuses_a_declaration_that_it_cannot_use(declared: str, told: str) -> None:
    """The message names the entry and what is wrong with it."""
    with pytest.raises(CloseoutError, match=r"closeout\.toml") as raised:
        roster(_tree(declared))
    assert raised.value.reference == "declaration-unusable"
    assert told in raised.value.message


def test_roster_refuses_a_folder_outside_the_tree() -> None:
    """A declaration cannot point the launchers elsewhere."""
    declared = '[[service]]\nname = "barn"\nfolder = "../elsewhere"\n'
    with pytest.raises(CloseoutError) as raised:
        roster(_tree(declared))
    assert raised.value.reference == "unsafe-path"
