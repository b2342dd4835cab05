"""One spoiled file of any format: no bug of ours, bounded time and memory, never silently clean."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from closeout.cli.commands import fix
from closeout.console import failures
from closeout.engine import patch_series, planner
from closeout.fs.tree import DiskTree
from closeout.gaps import GAPS
from tests.attack import arena
from tests.support import hostile

MORE_SECONDS, MORE_MEMORY = 10.0, 300 * 1024
"""What a spoiled file may cost: seconds of the processor, and kilobytes."""

Spoil = Callable[[bytes], bytes]


def _line_of_a_megabyte(content: bytes) -> bytes:
    return content + b"\n# " + b"x" * 1_000_000 + b"\n"


SPOILS: Mapping[str, Spoil] = {
    "empty": lambda _: b"",
    "cut": lambda content: content[: len(content) // 2],
    "cut in a line": lambda content: content[: len(content) * 2 // 3].rstrip() + b"\n({['\"`{%",
    "zeros": lambda content: content[:40] + b"\0" * 100 + content[40:],
    "latin-1": lambda content: content + "\n# café\n".encode("latin-1"),
    "utf-16": lambda content: content.decode("utf-8", "replace").encode("utf-16"),
    "mark": lambda content: b"\xef\xbb\xbf" + content,
    "carriage returns": lambda content: content.replace(b"\n", b"\r"),
    "tabs": lambda content: content.replace(b"  ", b"\t"),
    "deep": lambda content: content + b"\n" + b"[" * 20_000,
    "deep braces": lambda content: b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + content,
    "long line": _line_of_a_megabyte,
    "five hundred times": lambda content: content * min(500, 900_000 // (len(content) + 1)),
    "noise": lambda content: random.Random(len(content)).randbytes(len(content)),  # noqa: S311 - bytes, no secret
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a plan of a tree came to, in a process of its own."""

    bugs: list[str]
    found: dict[str, int]
    """Files with open places, and the line of the last of them."""
    told: list[str]
    """Files that are said not to be judged."""
    seconds: float
    memory: int


def _plan(root: Path) -> dict[str, object]:
    tree = DiskTree(root)
    with failures.logged(root.parent / "bug.log") as bugs:
        made = planner.plan(GAPS, tree, partial(patch_series.load, fix.PATCHES))
    checks = [check for checks in made.before.values() for check in checks]
    findings = [item for check in checks for item in check.findings]
    return {
        "bugs": list(bugs),
        "found": dict(sorted((str(item.path), item.line) for item in findings)),
        "told": sorted(
            {str(item.path) for check in checks for item in check.unresolved}
            | {str(item.path) for item in tree.unreadable()}
        ),
    }


def _planned(root: Path) -> Planned:
    """Plan in a child: what it takes is its own."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        code = 99
        try:
            os.write(write, json.dumps(_plan(root)).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        said = stream.read()
    _, status, usage = os.wait4(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, said
    seconds = usage.ru_utime + usage.ru_stime
    return Planned(**json.loads(said), seconds=seconds, memory=usage.ru_maxrss)


def _kinds(root: Path, found: Container[str]) -> list[Path]:
    """Return a file of each format, one with open places where there is one."""
    kinds: dict[str, Path] = {}
    for path in sorted(root.rglob("*")):
        kind = path.suffix if path.suffix not in {"", ".json", ".yml", ".yaml"} else path.name
        if path.is_file() and (kind not in kinds or str(path.relative_to(root)) in found):
            kinds[kind] = path
    return list(kinds.values())


def test_spoiled_file_is_told_or_judged_and_costs_little(tmp_path: Path) -> None:
    """What had open places and is not empty now has them still, or is said not to be judged.

    Where a file is cut, a place that is cut away is nobody's; one in the last whole line may be
    the head of a block that is.
    """
    root = hostile.small_monorepo(tmp_path / "root")
    plain = _planned(root)
    assert not plain.bugs
    cases = [(path, name) for path in _kinds(root, plain.found) for name in SPOILS]
    chance = arena.chance(9)
    chosen = chance.sample(cases, len(arena.rounds(8, 200)))
    told = slowest = largest = 0
    for path, name in chosen:
        content = path.read_bytes()
        spoiled = SPOILS[name](content)
        path.write_bytes(spoiled)
        seen = _planned(root)
        path.write_bytes(content)
        where = str(path.relative_to(root))
        assert not seen.bugs, f"{name} {where}: {seen.bugs}"
        more = seen.seconds - plain.seconds, seen.memory - plain.memory
        assert more < (MORE_SECONDS, MORE_MEMORY), f"{name} {where}: {more}"
        assert more[1] < MORE_MEMORY, f"{name} {where}: {more}"
        is_told = where in seen.told
        told += is_told
        slowest, largest = max(slowest, int(more[0])), max(largest, more[1])
        is_away = name == "cut" and spoiled.count(b"\n") <= plain.found.get(where, 0)
        if where in plain.found and name != "empty" and not is_away:
            assert is_told or where in seen.found, f"{name} {where} is silently clean"
    figures = {"told": told, "seconds_more": slowest, "kilobytes_more": largest}
    arena.told("spoiled inputs", rounds=len(chosen), **figures)
