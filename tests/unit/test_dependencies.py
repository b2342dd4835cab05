"""Dependencies point one way, and the library loads neither door."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import closeout

PACKAGE = Path(closeout.__file__).parent
LAYERS = (
    "errors process resources __init__",
    "model",
    "console",
    "fs",
    "parsing",
    "formats",
    "harness",
    "gaps",
    "engine",
    "runs",
    "reporting",
    "workorders",
    "cli __main__",
)
"""The rooms of ARCHITECTURE.md, from the ground up; a room imports itself and what is below it."""
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names.split()}
ACTING = {"probing", "probes.py", "certificates"}
"""Parts of a gap that start programs or write files of ours; the rest of it is pure."""
MOST_LINES = 310
"""A module is a page that a person can hold in mind; about 300 lines."""


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _room(module: Path) -> str:
    inside = module.relative_to(PACKAGE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def _imports(module: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("closeout"):
            parts = (node.module or "").split(".")
            names |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            names |= {
                alias.name.split(".")[1]
                for alias in node.names
                if alias.name.startswith("closeout.")
            }
    return names


def _type_only(module: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for inner in node.body:
                if isinstance(inner, ast.ImportFrom):
                    found |= {alias.name for alias in inner.names}
                    found |= set((inner.module or "").split(".")[1:2])
    return found


@pytest.mark.parametrize("module", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_imports_only_from_its_own_layer_and_below(module: Path) -> None:
    """The layers of ARCHITECTURE.md hold; a new module must find its place in them."""
    room = _room(module)
    assert room in RANK, f"{room} has no place in the layers"
    above = {
        name
        for name in _imports(module) - _type_only(module)
        if name in RANK and RANK[name] > RANK[room]
    }
    assert above == set()


@pytest.mark.parametrize("module", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_stays_within_a_page(module: Path) -> None:
    """No module is over about 300 lines."""
    assert len(module.read_text().splitlines()) <= MOST_LINES


def test_gaps_neither_import_each_other_nor_touch_files_or_processes() -> None:
    """A gap is pure: it reads through the tree it is given."""
    for module in (PACKAGE / "gaps").rglob("*.py"):
        inside = module.relative_to(PACKAGE / "gaps")
        if len(inside.parts) == 1:
            continue
        source = ast.parse(module.read_text())
        imported = {
            node.module or "" for node in ast.walk(source) if isinstance(node, ast.ImportFrom)
        } | {
            alias.name
            for node in ast.walk(source)
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        others = {
            name
            for name in imported
            if name.startswith("closeout.gaps.") and name.split(".")[2] != inside.parts[0]
        }
        assert others == set(), module
        if not ACTING & set(inside.parts):
            banned = {"subprocess", "os", "shutil", "closeout.process", "closeout.fs.writer"}
            assert imported & banned == set(), module


def test_importing_the_library_loads_neither_invoke_nor_nox() -> None:
    """The doors are thin; the library does not know them."""
    script = (
        "import sys, closeout, closeout.cli.commands.fix, closeout.cli.commands.probe, closeout.cli.commands.gate\n"
        "sys.exit(bool({'invoke', 'nox'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
