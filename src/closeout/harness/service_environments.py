"""Give each FastAPI service the framework that it pins, in an environment that equals share.

What is heavy and answers no request is never installed: the launcher stands in for it. So it does
for what cannot be had; the evidence names either.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from closeout import process
from closeout.console import progress
from closeout.errors import CloseoutError
from closeout.harness import environments

DEADLINE = 300.0
"""Seconds, on a quiet machine, for one environment."""

_TRIES = 6
_FRAMEWORK = ("fastapi", "starlette", "pydantic")
_SERVED_BY = ("uvicorn", "pydantic-settings", "python-multipart", "python-dotenv", "jinja2")
_HEAVY = re.compile(
    r"torch|tensorflow|tritonclient|keras|jax|onnx|opencv|ultralytics|transformers|sentence-"
    r"|mlflow|feast|evidently|prophet|statsforecast|statsmodels|xgboost|lightgbm|catboost"
    r"|scikit-|scipy|pandas|numpy|pyarrow|polars|pyspark|dask|ray$|spacy|numba|matplotlib"
    r"|plotly|seaborn|geopandas|langchain|llama-|vllm|accelerate|ddtrace|opentelemetry|datadog"
)
_NO_SERVICE = re.compile(
    r"pytest|black$|ruff$|mypy|flake8|isort|coverage|pre-commit|locust|ipython"
)
_LINE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^]]*\])?\s*(?P<rest>[^#]*)")
_EXACT = re.compile(r"==\s*([0-9][^\s,;*]*)$")
_NOT_TO_BE_HAD = re.compile(r"No matching distribution found for ([A-Za-z0-9._-]+)")
_VERSIONS = (
    "import importlib.metadata as m, json;"
    "print(json.dumps({d.metadata['Name'].lower().replace('_', '-'): d.version"
    " for d in m.distributions()}))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """The Python that a service is booted with; `told` says whose packages it has."""

    python: Path
    told: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Services of equal pins, and what is installed for all of them."""

    names: tuple[str, ...]
    pins: Mapping[str, str]

    def takes(self, pins: Mapping[str, str]) -> bool:
        """Return whether a service of these `pins` can be booted with the others."""
        equal = all(self.pins.get(name) == pins.get(name) for name in _FRAMEWORK)
        return equal and all(self.pins.get(name, rest) == rest for name, rest in pins.items())


def interpreters(
    services: Mapping[str, Path], usual: Path, cache: Path
) -> Mapping[str, Interpreter]:
    """Return the interpreter of every service, name to its folder.

    One whose framework is the one of the `usual` environment, or that pins none, is booted there;
    so is one whose environment cannot be made, and `told` says why. `cache` keeps what is made.
    """
    wanted = {name: _pins(folder) for name, folder in services.items()}
    own = {name: pins for name, pins in wanted.items() if _exact(pins)}
    held = _held(usual) if own else {}
    own = {name: pins for name, pins in own.items() if not _exact(pins).items() <= held.items()}
    found = {name: Interpreter(python=usual) for name in services}
    for group in _grouped(own):
        progress.step(f"the environment of {', '.join(group.names)}")
        made = _made(group.pins, usual, cache)
        found.update(dict.fromkeys(group.names, made))
    return found


def _pins(folder: Path) -> Mapping[str, str]:
    """Return what the service requires and can be booted with, name to its condition."""
    found = {}
    for line in _required(folder):
        read = _LINE.match(line.strip())
        if read is None:
            continue
        name = re.sub(r"[-_.]+", "-", read["name"]).lower()
        if not (_HEAVY.match(name) or _NO_SERVICE.match(name)):
            found[name] = re.sub(r"\s+", "", read["rest"])
    return found


def _required(folder: Path) -> Iterator[str]:
    listed, project = folder / "requirements.txt", folder / "pyproject.toml"
    if listed.is_file():
        yield from listed.read_text("utf-8", "replace").splitlines()
    elif project.is_file():
        try:
            read = tomllib.loads(project.read_text("utf-8"))
        except (ValueError, UnicodeDecodeError):
            return
        dependencies = read.get("project", {}).get("dependencies", [])
        yield from (line for line in dependencies if isinstance(line, str))


def _exact(pins: Mapping[str, str]) -> Mapping[str, str]:
    """Return the versions of the framework that are pinned to the digit."""
    found = {name: _EXACT.match(pins.get(name, "")) for name in _FRAMEWORK}
    return {name: match[1] for name, match in found.items() if match}


def _held(python: Path) -> Mapping[str, str]:
    result = process.run([python, "-I", "-c", _VERSIONS])
    return dict(json.loads(result.out)) if result.ok else {}


def _grouped(wanted: Mapping[str, Mapping[str, str]]) -> Sequence[_Group]:
    groups: list[_Group] = []
    for name, pins in wanted.items():
        for number, group in enumerate(groups):
            if group.takes(pins):
                more = {**group.pins, **pins}
                groups[number] = replace(group, names=(*group.names, name), pins=more)
                break
        else:
            groups.append(_Group(names=(name,), pins=pins))
    return groups


def _made(pins: Mapping[str, str], usual: Path, cache: Path) -> Interpreter:
    """Return an environment with all of the `pins`, or with the framework alone, or the usual one.

    What the index does not have is left out, and the rest asked for again.
    """
    pins = {"uvicorn": "", **pins}
    until = time.monotonic() + DEADLINE
    frame = {name: pins[name] for name in (*_FRAMEWORK, *_SERVED_BY) if name in pins}
    why = ""
    for asked in (pins, frame):
        left = dict(asked)
        for _ in range(_TRIES):
            try:
                return _environment(left, pins, cache)
            except CloseoutError as error:
                why = error.message
            lacking = _NOT_TO_BE_HAD.search(why)
            name = re.sub(r"[-_.]+", "-", lacking[1]).lower() if lacking else ""
            if name not in left or name in _FRAMEWORK or time.monotonic() > until:
                break
            del left[name]
    told = f"not the service's own framework, which could not be installed ({why})"
    return Interpreter(python=usual, told=told)


def _environment(left: Mapping[str, str], pins: Mapping[str, str], cache: Path) -> Interpreter:
    lines = sorted(f"{name}{rest}" for name, rest in left.items())
    key = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]
    python = environments.resolved(cache / f"python-{key}", lines, deadline=DEADLINE)
    out = ", ".join(sorted(set(pins) - set(left)))
    return Interpreter(
        python=python, told="the service's own pins" + (f" but {out}" if out else "")
    )
