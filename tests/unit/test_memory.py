"""A plan takes no more memory than it needs: it parses and keeps what somebody asks for."""

import gc
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import cast

import pytest
import yaml

from closeout.formats import manifests, tree_names
from closeout.fs import tree as disk
from closeout.fs.tree import DiskTree, MemoryTree
from closeout.gaps.cors.page_headers import request_headers
from closeout.gaps.mqtt_tls.makers import guides
from closeout.gaps.rate_limit.express.routes import AuthRoute
from closeout.gaps.rate_limit.fastapi.callers import python_callers
from closeout.parsing import python, yaml_loader
from closeout.parsing.fastapi import services
from closeout.parsing.python_imports import reaches
from closeout.parsing.python_modules import PythonModules
from closeout.parsing.python_placement import package_of
from tests.support.builders import write_files

_SERVICE = {
    "desk/main.py": b"from fastapi import FastAPI\napp = FastAPI()\n",
    "desk/store.py": b"def load():\n    return 1\n",
    "desk/stock.py": b"import desk.store\n",
}
_DEPLOYMENT = b"""apiVersion: v1
kind: ConfigMap
metadata:
  name: desk-%d
data:
  stage: open
"""


@pytest.fixture(autouse=True)
def forgetful() -> None:
    """Begin with nothing parsed."""
    python.parse.cache_clear()


def test_headers_are_looked_for_in_modules_that_speak_of_them() -> None:
    """A module without the word is not parsed for it."""
    (service,) = services(MemoryTree(_SERVICE))
    before = python.parse.made
    assert request_headers(service) == frozenset()
    assert python.parse.made == before


def test_sign_ins_are_looked_for_in_modules_that_speak_of_them() -> None:
    """A module that names no sign-in hands none on."""
    tree = MemoryTree({name: content + b"# anew\n" for name, content in _SERVICE.items()})
    services(tree)
    before = python.parse.made
    assert list(python_callers(tree, cast("Sequence[AuthRoute]", [None]))) == []
    assert python.parse.made == before


def test_an_import_is_written_after_one_that_tells_how() -> None:
    """What the module itself says is enough: the others are not parsed."""
    main = PurePosixPath("desk/app/main.py")
    texts = {"config": b"x = 1\n", "store": b"y = 2\n"}
    others = {PurePosixPath(f"desk/app/{name}.py"): text for name, text in texts.items()}
    modules = PythonModules({main: b"from app.config import x\n", **others})
    assert package_of(modules, main, PurePosixPath("desk")) == "app."
    assert python.parse.made == len(("main", "config"))


def test_following_imports_keeps_no_syntax_tree() -> None:
    """Only what a module imports is remembered, and what somebody else parsed is taken."""
    tree = MemoryTree(_SERVICE)
    folder, goal = PurePosixPath("desk"), PurePosixPath("desk/store.py")
    files = {f"desk/desk/{name[5:]}": content for name, content in _SERVICE.items()}
    assert not reaches(tree, folder, [PurePosixPath("desk/main.py")], goal)
    nested = PurePosixPath("desk/desk/store.py")
    assert reaches(MemoryTree(files), folder, [PurePosixPath("desk/desk/stock.py")], nested)
    assert python.parse.made == 0


def test_guides_far_from_a_broker_are_not_read() -> None:
    """A monorepo's documents are many, and only those beside the manifests are of interest."""
    read: list[str] = []

    class Noting(MemoryTree):
        def read(self, path: PurePosixPath | str) -> bytes | None:
            read.append(str(path))
            return super().read(path)

    tree = Noting({"k8s/broker/GUIDE.md": b"port 1883\n", "docs/notes.md": b"port 1883\n"})
    (told,) = guides(tree, [PurePosixPath("k8s/broker")])
    assert str(told.path) == "k8s/broker/GUIDE.md"
    assert read == ["k8s/broker/GUIDE.md"]


def test_a_file_that_only_has_to_be_there_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether any file names the project is one question: nobody reads which."""
    monkeypatch.setattr(disk, "_SPARE", 0)
    opened: list[str] = []
    reading = DiskTree._read  # noqa: SLF001 - what is kept is not to be told from outside

    def noted(tree: DiskTree, path: PurePosixPath) -> bytes | None:
        opened.append(str(path))
        return reading(tree, path)

    monkeypatch.setattr(DiskTree, "_read", noted)
    project = tree_names.ORDERS_PROJECT
    tree = DiskTree(write_files(tmp_path, {"settings.toml": f'for = "{project}"\n'.encode()}))
    assert tree_names.project(tree) == project
    assert opened.count("settings.toml") == 1
    tree.read("settings.toml")
    tree.read("settings.toml")
    assert opened.count("settings.toml") == len(("asked", "read"))


def test_lines_are_told_after_the_nodes_were_let_go() -> None:
    """A manifest's nodes take most of its room, and are made anew where a line is asked for."""
    contents = [_DEPLOYMENT % number for number in range(30)]
    held = [manifests.documents(content)[0] for content in contents]
    gc.collect()
    tops = [item for item in gc.get_objects() if isinstance(item, yaml.MappingNode)]
    assert len(tops) < len(contents)
    yaml_loader.composed.cache_clear()
    assert [item.line for item in held] == [1] * len(held)
    assert {item.line_of(("data", "stage")) for item in held} == {6}


def test_a_field_that_is_called_description_is_known() -> None:
    """What schemas say for people is taken out of them; what they say of a field is not."""
    content = b"""apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: first}
value: 1
description: goes first
"""
    assert manifests.validate(content) == ()
    (told,) = manifests.validate(content.replace(b"description: goes", b"tale: goes"))
    assert told.rule == "unknown-field"


def test_a_plan_loads_no_http_client() -> None:
    """Only a probe speaks to a service; the client brings TLS with it."""
    code = "import sys, closeout.cli.commands.fix; print('http.client' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert told.stdout.strip() == "False"
