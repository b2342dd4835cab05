"""Boot parity as rows of a session: a service that a fix stopped opens what the fix was for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from closeout.cli.known_answers import Known
from closeout.cli.session import FOR_SERVERS, ProbeAnswer, before_fix
from closeout.console import failures
from closeout.fs.tree import DiskTree
from closeout.fs.writer import copy_tree
from closeout.gaps import GAPS
from closeout.harness import boot_parity
from closeout.harness.boot_parity import Parity
from closeout.harness.service_discovery import Member
from closeout.model import Gap, Means, Probe
from closeout.process import scratch
from closeout.runs import plan_record, store
from closeout.runs.workspace import Workspace
from closeout.workorders.wo_004 import WO_004

NAME = "boot-parity"


@dataclass(frozen=True, slots=True, kw_only=True)
class BootedMembers:
    """The services that are booted, and every probe that there is of them."""

    members: Sequence[Member] = ()
    battery: Sequence[Probe] = ()

    def criterion(self, gap: Gap, service: str) -> str:
        """Return the criterion under which a gap's probes ask the service: a live one, if any.

        Of a service that they do not ask it is the gap's first live one.
        """
        live = {item.id for item in WO_004.criteria if item.means is Means.LIVE}
        asked = {
            probe.criterion
            for probe in self.battery
            if service in probe.needs and probe.id.startswith(f"{gap.slug}.")
        }
        ranked = sorted(gap.criteria, key=lambda number: (number not in asked, number not in live))
        return ranked[0]


NONE = BootedMembers()


def about(start: str, members: Iterable[Member]) -> tuple[Member, ...]:
    """Return the services of which a row may have a name that begins with `start`."""
    return tuple(
        member
        for member in members
        if (name := row_name(member.name)).startswith(start) or start.startswith(name)
    )


def row_name(service: str, source: str = "") -> str:
    """Return the name of a service's row, of all its rows without a source."""
    return f"{NAME}.{service}@{source}"


def of(starts: tuple[str, ...], members: Iterable[Member], known: Known) -> list[ProbeAnswer]:
    """Return the rows of some services that are known, and whose names begin with a start."""
    names = tuple(row_name(member.name) for member in members)
    return [
        item
        for item in known.values()
        if item.probe.startswith(names) and item.probe.startswith(starts)
    ]


def rows(
    space: Workspace,
    python: Path,
    deployed: BootedMembers,
    starts: tuple[str, ...] = ("",),
    known: Collection[str] = (),
) -> list[ProbeAnswer]:
    """Return how the services boot under their own environments, a row for each gap concerned.

    Only rows whose name begins with one of `starts` and is not `known`; none where no fix stands.
    A row is green before the fix by its nature: it asks whether what started still does, so it
    guards and proves nothing.
    """

    def asked(service: str, source: PurePosixPath) -> bool:
        name = row_name(service, str(source))
        return name.startswith(starts) and name not in known

    with scratch.folder("parity", mode=FOR_SERVERS) as folder:
        before = before_fix(space, folder / "before")
        if before is None:
            return []
        after = folder / "after"
        copy_tree(DiskTree(space.root), after)
        try:
            found = boot_parity.compared(
                {"before": before, "after": after},
                deployed.members,
                python=python,
                cache=space.cache,
                scratch=folder,
                asked=asked,
            )
        except Exception as error:  # noqa: BLE001 - a bug stays in its check
            seen = failures.of_probe(NAME, error)
            return [
                ProbeAnswer(probe=NAME, criterion=deployed.criterion(gap, ""), seen=seen)
                for gap in _concerned(space, ())
            ]
    return [answer for parity in found for answer in _answers(space, deployed, parity)]


def _answers(space: Workspace, deployed: BootedMembers, parity: Parity) -> Iterator[ProbeAnswer]:
    rests_on = parity.rests_on
    if parity.seen.passed is None:
        # What starts on neither side is told under the gap that changed it, not under each that
        # changed a file beside it.
        rests_on = parity.own or rests_on
    for gap in _concerned(space, rests_on):
        yield ProbeAnswer(
            probe=row_name(parity.service, str(parity.source)),
            criterion=deployed.criterion(gap, parity.service),
            seen=parity.seen,
            before=None if parity.seen.passed is None else True,
            seconds=parity.seconds,
        )


def _concerned(space: Workspace, paths: Iterable[PurePosixPath]) -> list[Gap]:
    """Return the gaps whose fix wrote one of the files; all that wrote where none is named."""
    standing = store.undoable(space.reports, space.root)
    asked = frozenset(paths)
    wrote = {
        change.gap
        for run in standing
        for change in plan_record.read(run.folder).changes
        if not asked or change.path in asked
    }
    return [gap for gap in GAPS if gap.slug in wrote]
