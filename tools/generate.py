"""Keep generated files true: prepared patches and rendered manifests, made or compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from closeout.console import progress
from closeout.console.output import add, give, say
from closeout.engine import patch_series
from closeout.errors import ExitCode
from closeout.fs import recovery, writer
from closeout.fs.tree import DiskTree, Overlay
from closeout.gaps import GAPS
from closeout.model import Changeset, Source
from closeout.resources import BUNDLE, source_of
from closeout.runs.workspace import REFERENCE

PATCHES = BUNDLE / "patches"
_EDGE = "edge-layer"
_OURS = ("k8s", "edge-mqtt-broker")
"""Top-level folders that hold rendered files of the reference monorepo's close-out."""


def prepare_patches() -> ExitCode:
    """Write `patches/` anew from the reference monorepo."""
    progress.step("deriving the patches")
    _write(PATCHES, _patch_files(), set(_present(PATCHES)))
    files = _patch_files()
    say(f"patches/: {len(files)} files")
    give("written", [f"patches/{path}" for path in files])
    return ExitCode.SETTLED


def check_patches() -> ExitCode:
    """Compare `patches/` with what the reference monorepo gives now."""
    return _compare("patches", PATCHES, _patch_files(), "invoke patches.prepare")


def render(home: Path) -> ExitCode:
    """Write the rendered manifests, broker configuration and instructions below `home`."""
    with recovery.whole(home):
        for top in _OURS:
            _write(home / top, _below(_rendered_files(), top), set())
    say(f"rendered {len(_rendered_files())} files below {', '.join(_OURS)}")
    give("written", [str(path) for path in _rendered_files()])
    return ExitCode.SETTLED


def check_rendered(home: Path) -> ExitCode:
    """Compare the rendered files below `home` with what the templates give now."""
    codes = [
        _compare(top, home / top, _below(_rendered_files(), top), "invoke render.all")
        for top in _OURS
    ]
    return max(codes)


def _changesets() -> dict[str, list[Changeset]]:
    """Return what every gap derives on the reference monorepo, each on top of the earlier ones."""
    overlay = Overlay(DiskTree(REFERENCE))
    made: dict[str, list[Changeset]] = {}
    for gap in GAPS:
        made[gap.slug] = list(gap.fix(overlay))
        for edit in (edit for changeset in made[gap.slug] for edit in changeset.edits):
            overlay.lay(edit)
    return made


def _patch_files() -> dict[PurePosixPath, bytes]:
    return patch_series.build(
        {
            slug: [item for item in made if item.source is Source.CODE and item.edits]
            for slug, made in _changesets().items()
        }
    )


def _rendered_files() -> dict[PurePosixPath, bytes]:
    files = {}
    for changeset in (item for made in _changesets().values() for item in made):
        for edit in changeset.edits if changeset.source is Source.TEMPLATE else ():
            path = edit.path
            if path.parts[0] == _EDGE:
                path = path.relative_to(_EDGE)
            if path.parts[0] in _OURS:
                files[path] = _of_ours(edit.after) if path.name == "README.md" else edit.after
    return files


def _of_ours(readme: bytes) -> bytes:
    """Return the instructions for our own folder, which the commands find without a root."""
    told = readme.replace(b" --root .", b"").replace(f"cd {_EDGE}/".encode(), b"cd ")
    return told.replace(b"the monorepo's top folder", b"this project's folder")


def _below(files: Mapping[PurePosixPath, bytes], top: str) -> dict[PurePosixPath, bytes]:
    return {path.relative_to(top): made for path, made in files.items() if path.parts[0] == top}


def _present(folder: Path) -> list[PurePosixPath]:
    return [
        PurePosixPath(place.relative_to(folder).as_posix())
        for place in sorted(folder.rglob("*"))
        if place.is_file() and place.name != ".gitkeep"
    ]


def _write(folder: Path, files: Mapping[PurePosixPath, bytes], managed: set[PurePosixPath]) -> None:
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        mode = 0o755 if content.startswith(b"#!") else 0o644
        writer.durable_write(place, content, mode)
    for path in managed - set(files):
        (folder / path).unlink()


def _compare(name: str, folder: Path, files: Mapping[PurePosixPath, bytes], mend: str) -> ExitCode:
    present = set(_present(folder)) if name == "patches" else set(files)
    wrong = []
    for path in sorted(present | set(files)):
        place = folder / path
        if path not in files:
            wrong.append(f"{name}/{path}: nothing generates it")
        elif not place.is_file():
            wrong.append(f"{name}/{path}: missing")
        elif place.read_bytes() != files[path]:
            source = source_of(files[path]) or "its gap"
            wrong.append(f"{name}/{path}: differs from what {source} gives")
    say("\n".join(wrong) or f"{name}/: {len(files)} files as generated")
    add("compared", {"what": name, "files": len(files), "wrong": wrong})
    if wrong:
        say(f"hint: {mend} makes them anew; look at the difference first.")
        return ExitCode.GAPS_LEFT
    return ExitCode.SETTLED
