"""Tell whether a file still parses in its own language."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from closeout.fs import json_reader
from closeout.fs.text_edit import line_number
from closeout.parsing import python, yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """The first place where a file does not parse; `line` is 1-based."""

    line: int
    message: str


def trouble(path: PurePosixPath, content: bytes) -> Trouble | None:
    """Return why `content` does not parse as what `path`'s suffix says, None where it does.

    Python, TypeScript, JSON, YAML and TOML are parsed, dbt models read for what does not close;
    other files are not judged.
    """
    judge = {
        ".py": _python,
        ".json": _json,
        ".toml": _toml,
        ".yml": _yaml,
        ".yaml": _yaml,
        ".ts": _typescript,
        ".sql": _model if "models" in path.parts else None,
    }.get(path.suffix)
    if judge is None or ("templates" in path.parts and path.suffix in {".yml", ".yaml"}):
        return None
    return _judged(judge, content)


@lru_cache(maxsize=1024)
def _judged(judge: Callable[[bytes], Trouble | None], content: bytes) -> Trouble | None:
    return judge(content)


def _python(content: bytes) -> Trouble | None:
    try:
        python.parse(content)
    except SyntaxError as error:
        return Trouble(line=error.lineno or 1, message=error.msg)
    return None


def _json(content: bytes) -> Trouble | None:
    try:
        json_reader.loads(content)
    except json.JSONDecodeError as error:
        return Trouble(line=error.lineno, message=error.msg)
    except ValueError as error:
        return Trouble(line=1, message=str(error))
    return None


def _toml(content: bytes) -> Trouble | None:
    try:
        tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        return Trouble(line=1, message=str(error))
    return None


def _yaml(content: bytes) -> Trouble | None:
    try:
        yaml.documents(content)
    except yaml.YamlError as error:
        return Trouble(line=error.line, message=error.detail)
    return None


def _typescript(content: bytes) -> Trouble | None:
    from closeout.parsing import typescript  # noqa: PLC0415 - only trees with such edits pay for it

    line = typescript.syntax_error(content)
    return None if line is None else Trouble(line=line, message="syntax error")


def _model(content: bytes) -> Trouble | None:
    from closeout.parsing import jinja, sql  # noqa: PLC0415 - only trees with such edits pay for it

    for fault in jinja.faults(content):
        return Trouble(line=line_number(content, fault.offset), message=fault.message)
    try:
        for lone in sql.imbalances(content):
            told = f"a parenthesis lacks its {lone.missing.value!r}"
            return Trouble(line=line_number(content, lone.offset), message=told)
    except sql.UnreadableSqlError as error:
        return Trouble(line=1, message=" ".join(str(error).split()))
    return None
