"""Read pin files and what each pin needs, and hold every file against its `.in`, offline."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NEEDS = "needs.json"
"""What each pin asks for, by `name==version`, as its authors published it."""

PYTHONS = ("3.11.0", "3.11.14", "3.12.0", "3.12.12", "3.13.0", "3.13.9", "3.14.0", "3.14.2")
"""First and late releases: some packages tell even these apart."""

_MACHINES = (
    ("linux", "Linux", "posix", "x86_64"),
    ("linux", "Linux", "posix", "aarch64"),
    ("darwin", "Darwin", "posix", "arm64"),
)
_OTHERS = (("win32", "Windows", "nt", "AMD64"), ("emscripten", "Emscripten", "posix", "wasm32"))
"""What the universal files also name; nothing has to be whole there, only asked for."""

TOGETHER = (
    ("closeout.txt", "emulators.txt", "validators.txt"),
    ("closeout.txt", "lint.txt"),
    ("closeout.txt", "docs.txt"),
    ("closeout.txt", "pins.txt", "lint.txt"),
)
"""Files that one environment holds: they have to pin the same."""

_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;]+)(?:\s*;\s*(.+?))?\s*\\?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One entry of a pin file."""

    name: str
    version: str
    marker: str

    @property
    def key(self) -> str:
        """Return the name of the release."""
        return f"{self.name}=={self.version}"


def pins(file: Path) -> tuple[Pin, ...]:
    """Return a pin file's entries in order."""
    found = (_PIN.match(line) for line in file.read_text(encoding="utf-8").splitlines())
    return tuple(
        Pin(name=canonicalize_name(line[1]), version=line[2], marker=line[3] or "")
        for line in found
        if line
    )


def asked(file: Path) -> tuple[Requirement, ...]:
    """Return the requirements of a `.in` file and of those that it includes."""
    made: list[Requirement] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        text = line.partition(" #")[0].strip()
        if text.startswith("-r "):
            made += asked(file.parent / text.removeprefix("-r ").strip())
        elif text and not text.startswith(("#", "-")):
            made.append(Requirement(text))
    return tuple(made)


def targets() -> tuple[Mapping[str, str], ...]:
    """Return the marker values of every Python and machine that a file has to be whole for."""
    return _environments(_MACHINES)


def is_for(pin: Pin, minor: str) -> bool:
    """Return whether a pin is installed by some release of a Python, such as 3.14, on Linux."""
    return any(
        _holds(pin.marker, target)
        for target in targets()
        if target["python_version"] == minor and target["sys_platform"] == "linux"
    )


def faults(folder: Path) -> Iterator[str]:
    """Yield what is wrong with the pin files in a folder, by file and package."""
    needs = read_needs(folder)
    files = sorted(folder.glob("*.in"))
    known = {file.with_suffix(".txt") for file in files}
    for stray in sorted(set(folder.glob("*.txt")) - known):
        yield f"{stray.name} has no {stray.stem}.in"
    used: set[str] = set()
    for file in files:
        compiled = file.with_suffix(".txt")
        if not compiled.is_file():
            yield f"{file.name} is not compiled into {compiled.name}"
            continue
        used |= {pin.key for pin in pins(compiled)}
        yield from _file_faults(file, needs)
    yield from (
        f"{NEEDS} tells of {key}, which no file pins" for key in sorted(needs.keys() - used)
    )
    for group in TOGETHER:
        yield from _disagreements([folder / name for name in group])


def read_needs(folder: Path) -> dict[str, list[str]]:
    """Return what each known release needs."""
    place = folder / NEEDS
    found: dict[str, list[str]] = json.loads(place.read_bytes()) if place.is_file() else {}
    return found


def _file_faults(file: Path, needs: Mapping[str, Sequence[str]]) -> Iterator[str]:
    compiled = file.with_suffix(".txt")
    entries, roots = pins(compiled), asked(file)
    unknown = [pin for pin in entries if pin.key not in needs]
    for pin in unknown:
        yield f"{compiled.name}: nothing is known of {pin.key}"
    if unknown:
        return
    said: dict[str, None] = {}
    reached: set[Pin] = set()
    for target in targets():
        walk = _Walk(entries, needs, target)
        walk.go(roots, file.name)
        said |= dict.fromkeys(walk.missing)
        reached |= walk.reached
    for target in _environments(_OTHERS):
        walk = _Walk(entries, needs, target)
        walk.go(roots, file.name)
        reached |= walk.reached
    yield from (f"{compiled.name}: {message}" for message in said)
    for pin in entries:
        if pin not in reached:
            yield f"{compiled.name}: nothing asks for {pin.name} {pin.version}"


class _Walk:
    """One file followed from what is asked for to all that this needs, for one machine."""

    def __init__(
        self,
        entries: Iterable[Pin],
        needs: Mapping[str, Sequence[str]],
        target: Mapping[str, str],
    ) -> None:
        self._target = target
        self._needs = needs
        self._here = {pin.name: pin for pin in entries if _holds(pin.marker, target)}
        self._seen: set[tuple[Pin, str]] = set()
        self.reached: set[Pin] = set()
        self.missing: list[str] = []

    def go(self, requirements: Iterable[Requirement], asker: str, extra: str = "") -> None:
        """Follow what `asker` requires with one of its extras."""
        for requirement in requirements:
            if requirement.marker and not _holds(str(requirement.marker), self._target, extra):
                continue
            pin = self._here.get(canonicalize_name(requirement.name))
            if pin is None:
                self.missing.append(f"{requirement.name} is missing, and {asker} asks for it")
                continue
            if not requirement.specifier.contains(pin.version, prereleases=True):
                self.missing.append(f"{asker} asks for {requirement}, and {pin.version} is pinned")
            self._enter(pin, requirement.extras)

    def _enter(self, pin: Pin, extras: Iterable[str]) -> None:
        self.reached.add(pin)
        for extra in ("", *sorted(extras)):
            if (pin, extra) not in self._seen:
                self._seen.add((pin, extra))
                wanted = [_requirement(text) for text in self._needs[pin.key]]
                self.go(wanted, f"{pin.name} {pin.version}", canonicalize_name(extra))


def _disagreements(files: Sequence[Path]) -> Iterator[str]:
    """Yield what two files of one environment pin differently."""
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    for file in (file for file in files if file.is_file()):
        for pin in pins(file):
            first, version = seen.setdefault((pin.name, pin.marker), (file.name, pin.version))
            if version != pin.version:
                yield f"{file.name}: {pin.name} {pin.version} is pinned, {version} in {first}"


def _environments(machines: Sequence[tuple[str, str, str, str]]) -> tuple[Mapping[str, str], ...]:
    return tuple(
        {
            "implementation_name": "cpython",
            "implementation_version": python,
            "os_name": family,
            "platform_machine": machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": system,
            "platform_version": "",
            "python_full_version": python,
            "python_version": python.rpartition(".")[0],
            "sys_platform": platform,
        }
        for python in PYTHONS
        for platform, system, family, machine in machines
    )


@cache
def _requirement(text: str) -> Requirement:
    return Requirement(text)


@cache
def _marker(text: str) -> Marker:
    return Marker(text)


def _holds(marker: str, target: Mapping[str, str], extra: str = "") -> bool:
    if not marker:
        return True
    return _verdict(
        marker,
        target["python_full_version"],
        target["platform_machine"],
        target["sys_platform"],
        extra,
    )


@cache
def _verdict(marker: str, python: str, machine: str, platform: str, extra: str) -> bool:
    (target,) = (
        found
        for found in _environments((*_MACHINES, *_OTHERS))
        if (found["python_full_version"], found["platform_machine"], found["sys_platform"])
        == (python, machine, platform)
    )
    return _marker(marker).evaluate({**target, "extra": extra})
