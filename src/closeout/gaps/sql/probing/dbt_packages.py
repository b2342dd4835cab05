"""Give a private copy of a pipeline the dbt packages that it names: the hub's, else stand-ins.

A stand-in holds only the macros that the project calls. One of ours does what the package's
does; one that we have not stops the model that calls it, by name, once dbt runs that model.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from closeout.fs.tree import below
from closeout.gaps.sql import packages
from closeout.gaps.sql.probing.dbt_project import Pipeline
from closeout.gaps.sql.project import Project
from closeout.model import Tree
from closeout.parsing import jinja

MISSING = "no stand-in for"
"""What dbt says, before the macro's name, of a macro that we have not."""

_HUB_SECONDS = 60.0
_OURS = {"dbt_utils": Path(__file__).with_name("dbt_utils.sql")}
_BLOCK = re.compile(
    rb"\{%-?\s*(?P<kind>macro|test)\s+(?P<name>\w+).*?\{%-?\s*end(?P=kind)\s*-?%\}", re.DOTALL
)
_READS_MODEL = re.compile(rb"""\bref\(\s*['"](\w+)['"]\s*,\s*['"](\w+)['"]""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What came of it: a line about each package, and why nothing can run, where that is so."""

    told: tuple[str, ...] = ()
    reason: str = ""


def supply(pipeline: Pipeline, tree: Tree, project: Project) -> Supply:
    """Let dbt fetch the packages that the tree does not hold; stand in for them where it cannot."""
    waiting = project.packages.waiting
    if not any((pipeline.folder / name).exists() for name in packages.FILES):
        return Supply()
    if not waiting and (pipeline.folder / "dbt_packages").exists():
        return Supply()
    fetched = pipeline.run("deps", deadline=_HUB_SECONDS)
    if fetched.ok or not waiting:
        return Supply()
    foreign = sorted(set(_foreign_models(tree, project)))
    if foreign:
        told = "it builds on models of packages that cannot be fetched"
        return Supply(reason=f"{told}: {', '.join(foreign)}")
    _install(pipeline, tree, project)
    return Supply(told=tuple(_stand_in(pipeline, tree, project, name) for name in waiting))


def _foreign_models(tree: Tree, project: Project) -> Iterator[str]:
    for path in project.scripts:
        for package, model in _READS_MODEL.findall(tree.read(path) or b""):
            if package.decode() in project.packages.waiting:
                yield f"{package.decode()}.{model.decode()}"


def _install(pipeline: Pipeline, tree: Tree, project: Project) -> None:
    """Do by hand what `dbt deps` does with the packages that are there, and name none any more."""
    folder = pipeline.folder
    for name in (*packages.FILES, "package-lock.yml"):
        (folder / name).unlink(missing_ok=True)
    for path in below(tree, project.root / "dbt_packages"):
        target = folder / path.relative_to(project.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(tree.read(path) or b"")
    for local in packages.local_folders(tree, project.root):
        target = folder / "dbt_packages" / local.name
        if not target.exists() and local.is_relative_to(project.root):
            shutil.copytree(folder / local.relative_to(project.root), target)


def _stand_in(pipeline: Pipeline, tree: Tree, project: Project, package: str) -> str:
    """Write the stand-in of one package, and return what it holds."""
    used = {
        macro
        for macro in _used(tree, project, package)
        if not packages.is_lost(project.packages, package, macro)
    }
    ours = _ours(package)
    forwarded = used & packages.MOVED_IN_1_0 if package == "dbt_utils" else set()
    lacking = sorted(used - ours.keys() - forwarded)
    texts = [
        *ours.values(),
        *(_forwarded(name) for name in sorted(forwarded - ours.keys())),
        *(_refusing(package, name) for name in lacking),
    ]
    folder = pipeline.folder / "dbt_packages" / package
    (folder / "macros").mkdir(parents=True, exist_ok=True)
    (folder / "dbt_project.yml").write_text(f"name: {package}\nversion: 0.0.0\n")
    (folder / "macros/stand_ins.sql").write_bytes(b"\n\n".join(texts))
    held = sorted(used - set(lacking))
    told = f"{package} cannot be fetched: stand-ins of ours for {', '.join(held) or 'nothing'}"
    return f"{told}; none for {', '.join(lacking)}" if lacking else told


def _used(tree: Tree, project: Project, package: str) -> Iterator[str]:
    """Yield the package's macros that the project calls; a data test is a macro `test_name`."""
    for path in project.scripts:
        for call in jinja.calls(tree.read(path) or b""):
            if len(call.name) == len(("package", "macro")) and call.name[0] == package:
                yield call.name[1]
    named = re.compile(rb"\b" + package.encode() + rb"\.(\w+)")
    for path in project.properties:
        for name in named.findall(tree.read(path) or b""):
            yield f"test_{name.decode()}"


def _ours(package: str) -> Mapping[str, bytes]:
    """Return our stand-ins for the package's macros by name."""
    if package not in _OURS:
        return {}
    return {
        ("test_" if match["kind"] == b"test" else "") + match["name"].decode(): match[0]
        for match in _BLOCK.finditer(_OURS[package].read_bytes())
    }


def _forwarded(macro: str) -> bytes:
    """Return a macro that dbt itself has since dbt_utils dropped it."""
    call = f"{{{{ return(dbt.{macro}(*varargs, **kwargs)) }}}}"
    return f"{{% macro {macro}() %}}{call}{{% endmacro %}}".encode()


def _refusing(package: str, macro: str) -> bytes:
    """Return a macro that takes any arguments, and says that it is missing once it is run."""
    name, kind = macro.removeprefix("test_"), "test" if macro.startswith("test_") else "macro"
    given = f"{name}(model)" if kind == "test" else f"{name}()"
    told = f"{MISSING} {package}.{name}"
    return (
        f"{{% {kind} {given} %}}{{% set given = (varargs, kwargs) %}}"
        f'{{% if execute %}}{{{{ exceptions.raise_compiler_error("{told}") }}}}{{% endif %}}'
        f"{{% end{kind} %}}"
    ).encode()
