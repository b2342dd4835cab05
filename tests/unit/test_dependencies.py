"""Dependencies point one way, and the library loads neither door."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import closeout
from closeout.gaps import GAPS
from closeout.model import Gap

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
MOST_LINES = 300
"""A module is a page that a person can hold in mind."""

SLUGS = "|".join(gap.slug for gap in GAPS)
FOLDERS = SLUGS.replace("-", "_")
NAMING = re.compile(
    rf"^(?:{SLUGS}|{FOLDERS})(?=\.|$)|closeout\.gaps\.(?:{FOLDERS})\b|\b(?:cloud|edge)-(?!layer\b)[a-z]"
)
"""A gap's slug, alone or before a probe's name, its package, or a service's folder."""
MAY_NAME = {"gaps/__init__.py", "workorders/wo_004.py", "workorders/wo_004_checks.py"}
"""The tuple of the gaps, and the order's data."""
OTHERS = {"formats/schemas/__init__.py": "external-secrets", "parsing/fastapi.py": "headers"}
"""Words that are slugs by chance: the operator's API group, a field of a request."""


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
    """No module is over 300 lines."""
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


def _words(module: Path) -> Iterator[tuple[int, str]]:
    """Yield what a module imports and every string it holds but its docstrings, with its line."""
    source = ast.parse(module.read_text())
    told = {id(node.value) for node in ast.walk(source) if isinstance(node, ast.Expr)}
    for node in ast.walk(source):
        if isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told
        ):
            yield node.lineno, node.value


def test_nothing_outside_a_gaps_folder_names_the_gap_or_a_service() -> None:
    """What is about one gap hangs on it as a value: gates, commands, grades, services it asks."""
    wrong = []
    for module in _modules():
        inside = module.relative_to(PACKAGE)
        if str(inside) in MAY_NAME or (inside.parts[0] == "gaps" and len(inside.parts) > 2):
            continue
        wrong += [
            f"{inside}:{line}: {found[0]}"
            for line, word in _words(module)
            for found in NAMING.finditer(word)
            if found[0] != OTHERS.get(str(inside))
        ]
    assert wrong == []


@pytest.mark.parametrize(
    "word",
    ["cors", "mqtt-tls.scanner", "closeout.gaps.sql.probing", "cloud-layer/cloud-ingestion"],
)
def test_naming_a_gap_is_seen_in_each_of_its_forms(word: str) -> None:
    """The test above would notice."""
    assert NAMING.search(word)


@pytest.mark.parametrize("word", ["cloud-layer", "edge-layer", "headers of an answer", "sqlite"])
def test_naming_a_gap_is_not_seen_where_there_is_none(word: str) -> None:
    """A layer is no service, and a word is no slug."""
    assert not NAMING.search(word)


@pytest.mark.parametrize("gap", GAPS, ids=lambda gap: gap.slug)
def test_what_a_gap_loads_late_is_there(gap: Gap) -> None:
    """A name that is looked up at run time is one that no type checker sees."""
    loaded = (*gap.probes(), *gap.gates(), *gap.commands())
    assert gap.probes_of is None or callable(gap.probes_of())
    assert all(bool(command.gate) is (command.run is None) for command in gap.commands())
    assert all(callable(command.run()) for command in gap.commands() if command.run is not None)
    assert len({getattr(item, "id", None) or item.name for item in loaded}) == len(loaded)


def test_gates_of_one_name_are_one_session_and_know_their_means() -> None:
    """`gate NAME` keeps one file of evidence, whichever gaps take part."""
    gates = [gate for gap in GAPS for gate in gap.gates()]
    sessions = {(gate.name, gate.session, gate.means) for gate in gates}
    assert len(sessions) == len({gate.name for gate in gates})
    asked = {command.gate for gap in GAPS for command in gap.commands() if command.gate}
    assert asked <= {gate.name for gate in gates}


@pytest.mark.parametrize("words", [["-c", "import closeout"], ["-m", "closeout", "--help"]])
def test_starting_up_loads_nothing_that_is_slow(words: list[str]) -> None:
    """The parser is read before anything that a subcommand needs is imported."""
    told = subprocess.run(
        [sys.executable, "-X", "importtime", *words], check=True, capture_output=True, text=True
    ).stderr
    loaded = {line.rpartition("|")[2].strip() for line in told.splitlines()}
    slow = {"invoke", "nox", "jinja2", "cryptography", "tree_sitter", "yaml"}
    slow |= {"closeout.model", "closeout.process", "dataclasses"}
    assert loaded & slow == set()
    assert "closeout" in loaded


def test_importing_the_library_loads_neither_invoke_nor_nox() -> None:
    """The doors are thin; the library does not know them."""
    script = (
        "import sys, closeout, closeout.cli.commands.fix, closeout.cli.commands.probe\n"
        "import closeout.cli.commands.gate\n"
        "sys.exit(bool({'invoke', 'nox'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


FORM_OF_A_GAP = {"Survey"}
"""What every gap folder calls its one look at a tree, as it does its `GAP` and its `RULES`."""


def test_one_name_is_one_class() -> None:
    """Whoever reads `Place` or `Run` does not have to ask which."""
    places: dict[str, list[str]] = {}
    for module in _modules():
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(module.relative_to(PACKAGE)))
    several = {name: found for name, found in places.items() if len(found) > 1}
    assert several.keys() <= FORM_OF_A_GAP, several
    for name in FORM_OF_A_GAP:
        assert len({found.split("/")[1] for found in places[name]}) == len(places[name])
