"""What a judging session costs beside the bare runner: both warm, in turn, on one fixed tree."""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from closeout import process
from closeout.fs import writer
from closeout.fs.tree import DiskTree, Overlay
from closeout.gaps import billing_tests, cors, headers, vision_tests
from closeout.gaps.billing_tests.suites import BILLING_SERVICE
from closeout.gaps.vision_tests.suites import VISION_SERVICE
from closeout.harness import environments, node
from closeout.harness.offline import database
from closeout.resources import BUNDLE
from closeout.runs.workspace import REFERENCE

_ROUNDS = 3
_DEADLINE = 300.0
_SHARE = 0.15
_SECONDS = 0.5
_GAPS = (cors.GAP, billing_tests.GAP, vision_tests.GAP, headers.GAP)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Duel:
    """A session and the bare runner it stands for, started in `folder`."""

    session: str
    bare: tuple[str | Path, ...]
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)


def compared(home: Path) -> Iterator[str]:
    """Yield each session's medians beside the bare runner's, and what the session adds.

    `home` is where Nox keeps its environments.
    """
    with tempfile.TemporaryDirectory(prefix="closeout-overhead-") as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)
        root = _fixed(folder / "root")
        with database(folder / "postgres") as dsn:
            for duel in (_vision(home, folder, root), _billing(folder, root, dsn)):
                yield _told(duel, _medians(duel, folder, root))


def _fixed(root: Path) -> Path:
    overlay = Overlay(DiskTree(REFERENCE))
    for gap in _GAPS:
        for changeset in gap.fix(overlay):
            for edit in changeset.edits:
                overlay.lay(edit)
    root.mkdir()
    writer.copy_tree(overlay, root)
    return root


def _vision(home: Path, scratch: Path, root: Path) -> _Duel:
    place = home / ".nox" / ".cache" / "environments" / "vision"
    python = environments.ensure(place.absolute(), "requirements/vision.txt")
    folder = _bare(scratch, root / VISION_SERVICE)
    report = f"--cov-report=json:{scratch / 'bare.json'}"
    words = ("-m", "pytest", "--cov=app", "--cov-branch", report, f"--basetemp={scratch / 'tmp'}")
    return _Duel(session="vision_pytest", bare=(python, *words), folder=folder)


def _billing(scratch: Path, root: Path, dsn: str | None) -> _Duel:
    """Give both a database that already runs."""
    folder = _bare(scratch, root / BILLING_SERVICE)
    (folder / "node_modules").symlink_to(node.install(folder, scratch / "packages"))
    return _Duel(
        session="billing_jest",
        bare=("node_modules/.bin/jest", "--coverage", "--coverageReporters=json-summary"),
        folder=folder,
        env={"TEST_DATABASE_URL": dsn} if dsn else {},
    )


def _bare(scratch: Path, service: Path) -> Path:
    return Path(shutil.copytree(service, scratch / f"bare-{service.name}"))


def _medians(duel: _Duel, scratch: Path, root: Path) -> list[tuple[float, float]]:
    """Return CPU and wall seconds of the session and of the bare runner; the first go is lost."""
    ours = (sys.executable, "-m", "nox", "--session", duel.session, "--", "--root", str(root))
    # The session may use the package index on its first go, and keeps its reports apart. Compiled
    # bytecode is kept, as it is wherever nobody forbids it.
    env = {**os.environ, "CLOSEOUT_HOME": str(scratch)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    env.update(duel.env)
    rounds = [
        (_spent(ours, BUNDLE, env), _spent(duel.bare, duel.folder, duel.env))
        for _ in range(_ROUNDS + 1)
    ][1:]
    return [
        (
            statistics.median(both[side][0] for both in rounds),
            statistics.median(both[side][1] for both in rounds),
        )
        for side in (0, 1)
    ]


def _spent(argv: Sequence[str | Path], cwd: Path, env: Mapping[str, str]) -> tuple[float, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = process.run(argv, cwd=cwd, env=env, deadline=_DEADLINE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if not result.ok:
        words = (result.err or result.out).strip()[-300:]
        message = f"{result.command} ended with {result.code}: {words}"
        raise RuntimeError(message)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, result.seconds


def _told(duel: _Duel, medians: list[tuple[float, float]]) -> str:
    (our_cpu, our_wall), (bare_cpu, bare_wall) = medians
    added = our_wall - bare_wall
    within = added < _SECONDS or added < _SHARE * bare_wall
    return (
        f"nox -s {duel.session}, warm / the bare runner\n"
        f"  CPU  ours {our_cpu:.3f} s, peer {bare_cpu:.3f} s, ratio {our_cpu / bare_cpu:.2f}\n"
        f"  wall ours {our_wall:.3f} s, peer {bare_wall:.3f} s, added {added:.3f} s, "
        f"{'within' if within else 'over'} 15 % or 0.5 s"
    )
