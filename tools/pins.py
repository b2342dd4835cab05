"""Compile the pin files anew and say what moved, or check offline that each is whole.

python -m tools.pins check
python -m tools.pins compile --upgrade-package nox
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from closeout import process
from closeout.errors import CloseoutError, ExitCode
from tools import pinfiles
from tools.pinfiles import Pin, pins

HOME = Path(__file__).resolve().parents[1]
FOLDER = HOME / "requirements"
_MINUTES = 60.0
_OLDEST = "3.11"
_MINORS = ("3.11", "3.12", "3.13", "3.14")
_MACHINES = ("x86_64-manylinux_2_34", "aarch64-manylinux_2_34")
"""The PostgreSQL that comes as a wheel wants glibc 2.34: Debian 12, Ubuntu 22.04, and newer."""

_SETTINGS = ("PIP_", "UV_", "XDG_", "HTTP", "NO_PROXY", "ALL_PROXY", "SSL_")


def check(folder: Path) -> ExitCode:
    """Say what is wrong with the pin files of a folder; asks no index."""
    found = list(pinfiles.faults(folder))
    for fault in found:
        sys.stderr.write(f"{folder.name}/{fault}\n")
    if found:
        raise CloseoutError(
            "pins-not-whole",
            f"{len(found)} things are wrong with {folder.name}/.",
            hint="run `nox -s pins`, which compiles the files anew, and commit what it says.",
            exit_code=ExitCode.GAPS_LEFT,
        )
    sys.stdout.write(f"{len(list(folder.glob('*.txt')))} pin files are whole\n")
    return ExitCode.SETTLED


def compile_all(folder: Path, words: Sequence[str]) -> ExitCode:
    """Compile every file, say what moved, keep what each pin needs, and check it all."""
    for file in sorted(folder.glob("*.in"), key=_turn):
        compiled = file.with_suffix(".txt")
        before = pins(compiled) if compiled.is_file() else ()
        _compile(file, words)
        for line in moves(before, pins(compiled)):
            sys.stdout.write(f"{compiled.name}: {line}\n")
    _keep_needs(folder)
    for compiled in sorted(folder.glob("*.txt")):
        _assert_wheels(compiled)
    return check(folder)


def _turn(file: Path) -> tuple[int, str]:
    """Return when a file is compiled: after those whose versions it has to share."""
    text = file.read_text(encoding="utf-8")
    return sum(line.startswith("-c ") for line in text.splitlines()), file.name


def moves(before: Sequence[Pin], after: Sequence[Pin]) -> Iterator[str]:
    """Yield what changed between two states of a file, a line a package."""
    old, new = _versions(before), _versions(after)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield f"{name} {old.get(name, 'absent')} -> {new.get(name, 'absent')}"


def _versions(entries: Sequence[Pin]) -> dict[str, str]:
    made: dict[str, list[str]] = {}
    for pin in entries:
        made.setdefault(pin.name, []).append(
            f"{pin.version} ({pin.marker})" if pin.marker else pin.version
        )
    return {name: ", ".join(versions) for name, versions in made.items()}


def _compile(file: Path, words: Sequence[str]) -> None:
    """Compile one file, keeping the versions it has where they hold."""
    options = "--universal --generate-hashes --no-header --no-emit-index-url --emit-build-options"
    argv = ["pip", "compile", "--quiet", *options.split(), "--no-build-isolation"]
    inside = file.relative_to(HOME) if file.is_relative_to(HOME) else file
    target = inside.with_suffix(".txt")
    _uv(*argv, "--python-version", _OLDEST, *words, str(inside), "--output-file", str(target))


def _assert_wheels(compiled: Path) -> None:
    """Raise unless every pin can be installed, unbuilt, by each Python on each machine."""
    sources = _sources(compiled)
    for minor in _MINORS:
        for machine in _MACHINES:
            argv = ["pip", "install", "--dry-run", "--no-deps", "--require-hashes", "--quiet"]
            argv += ["--only-binary", ":all:", "--no-build-isolation"]
            argv += [word for name in sources for word in ("--no-binary", name)]
            with tempfile.TemporaryDirectory() as nowhere:
                target = ("--target", nowhere, "--python-version", minor)
                _uv(*argv, *target, "--python-platform", machine, "-r", str(compiled))


def _sources(compiled: Path) -> list[str]:
    lines = compiled.read_text(encoding="utf-8").splitlines()
    return [line.split()[1] for line in lines if line.startswith("--no-binary")]


def _keep_needs(folder: Path) -> None:
    """Write what every pin needs, asking only for releases that are new."""
    known = pinfiles.read_needs(folder)
    files = sorted(folder.glob("*.txt"))
    pinned = {pin.key: pin for file in files for pin in pins(file)}
    sources = {name for file in files for name in _sources(file)}
    for minor in (*reversed(_MINORS), ""):
        machine = _machine(minor)
        left = [pin for key, pin in sorted(pinned.items()) if key not in known]
        for batch in _batches(pin for pin in left if _is_for(pin, minor, sources)):
            known |= _asked_of_index(batch, *machine)
    built = [pin for key, pin in sorted(pinned.items()) if key not in known]
    if built:
        known |= _asked_of_index(built, "--no-build-isolation", "--use-pep517")
    kept = {key: known[key] for key in sorted(pinned)}
    text = json.dumps(kept, indent=1)
    (folder / pinfiles.NEEDS).write_text(f"{text}\n", encoding="utf-8")


def _machine(minor: str) -> tuple[str, ...]:
    """Return pip's words for a Python here, or for Windows where `minor` is empty."""
    here = ("--only-binary", ":all:", "--python-version")
    return (*here, minor) if minor else (*here, _MINORS[-1], "--platform", "win_amd64")


def _is_for(pin: Pin, minor: str, sources: set[str]) -> bool:
    if pin.name in sources:
        return False
    return not minor or pinfiles.is_for(pin, minor)


def _batches(entries: Iterator[Pin]) -> Iterator[list[Pin]]:
    """Yield the pins in lists that name each package once, as pip wants it."""
    left = list(entries)
    while left:
        first = {pin.name: pin for pin in reversed(left)}
        yield list(first.values())
        left = [pin for pin in left if first[pin.name] is not pin]


def _asked_of_index(entries: Sequence[Pin], *machine: str) -> dict[str, list[str]]:
    """Return what some releases need as the index has it; no wheel is downloaded for that."""
    argv = ["install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps"]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        named = ["--target", folder, *(pin.key for pin in entries)]
        _run(sys.executable, "-m", "pip", *argv, *machine, "--report", str(report), *named)
        found = json.loads(report.read_bytes())["install"]
    told = {
        canonicalize_name(item["metadata"]["name"]): sorted(
            item["metadata"].get("requires_dist", [])
        )
        for item in found
    }
    return {pin.key: told[canonicalize_name(pin.name)] for pin in entries}


def _uv(*words: str) -> None:
    _run(str(Path(sys.executable).with_name("uv")), *words)


def _run(*argv: str) -> None:
    kept = {name: value for name, value in os.environ.items() if name.upper().startswith(_SETTINGS)}
    result = process.run(argv, cwd=HOME, env=kept, deadline=10 * _MINUTES)
    if not result.ok:
        raise CloseoutError(
            "pins-not-compiled",
            f"{result.command[:300]} ended with {result.code}: {result.err.strip()[-800:]}",
            hint="where no release fits, say so by a marker in the .in file.",
        )


def main(words: Sequence[str]) -> int:
    """Run one of the two commands."""
    try:
        match list(words):
            case ["check"]:
                return check(FOLDER)
            case ["compile", *more]:
                return compile_all(FOLDER, more)
            case _:
                sys.stderr.write(f"{__doc__}\n")
                return ExitCode.UNUSABLE_INPUT
    except CloseoutError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
