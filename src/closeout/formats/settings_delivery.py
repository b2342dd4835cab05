"""Deliver settings to the services that read them: by env example, compose file and chart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from closeout.formats import chart_delivery, compose, helm
from closeout.formats.env_examples import EXAMPLES, example_of, examples_in, said_in
from closeout.formats.helm import PLAIN
from closeout.formats.images import run_by
from closeout.formats.settings import Setting
from closeout.fs.once import once
from closeout.fs.text_edit import Splice, line_number, spliced
from closeout.fs.tree import Overlay
from closeout.model import Edit, Reason, Tree, Unresolved

Folders = Iterable[PurePosixPath]


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """A file that ought to hand settings to the service in `folder` and does not."""

    path: PurePosixPath
    line: int
    folder: PurePosixPath
    names: tuple[str, ...]
    problem: str
    service: str
    """What the file calls the service."""
    excerpt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A gap's settings, and where each belongs."""

    in_examples: Setting
    beside: tuple[Setting, ...] = ()
    """What an example names above it, where it has to be named at all."""
    in_charts: tuple[Setting, ...]
    in_compose: Callable[[Tree, compose.ComposeService], Iterable[Setting]]

    def examples(self, tree: Tree, folders: Folders) -> Iterator[PurePosixPath]:
        """Yield the services' env examples; for a secret the one that a service should have."""
        for folder in sorted(set(folders)):
            yield from (
                examples_in(tree, folder) or [folder / EXAMPLES[0]] * self.in_examples.is_secret
            )

    def compose_files(self, tree: Tree, folders: Folders) -> Iterator[PurePosixPath]:
        """Return the compose files that start one of the services."""
        yield from sorted({item.path for _, item in _started(tree, frozenset(folders))})

    def charts(self, tree: Tree, folders: Folders) -> Iterator[PurePosixPath]:
        """Return the files of charts that list variables of the settings' sort."""
        found = chart_delivery.undelivered(tree, folders, self.in_charts)
        yield from sorted({place.path for place, _ in found})

    def undelivered_examples(self, tree: Tree, folders: Folders) -> Iterator[Undelivered]:
        """Yield the env examples that do not name the setting, or give a secret away."""
        setting = self.in_examples
        for path in self.examples(tree, folders):
            content = tree.read(path) or b""
            exposed = setting.exposed(content)
            if exposed is None and setting.is_named(content):
                continue
            said = f"does not name {setting.name}"
            yield Undelivered(
                path=path,
                line=line_number(content, exposed.start()) if exposed else 1,
                folder=path.parent,
                names=(setting.name,),
                problem=f"gives {setting.name} a value, not a placeholder" if exposed else said,
                service=path.parent.name,
                excerpt=path.name,
            )

    def undelivered(self, tree: Tree, folders: Folders) -> Iterator[Undelivered]:
        """Yield the compose services and charts that do not hand every setting on."""
        wanted = frozenset(folders)
        for lack in self._compose(tree, wanted):
            names = tuple(item.name for item in lack.settings)
            yield Undelivered(
                path=lack.path,
                line=lack.line,
                folder=lack.folder,
                names=names,
                problem=_lacking(lack),
                service=lack.service.name,
                excerpt=lack.path.name if lack.is_example else f"{lack.service.name}:",
            )
        for place, missing in chart_delivery.undelivered(tree, wanted, self.in_charts):
            names = tuple(item.name for item in missing)
            if names:
                yield Undelivered(
                    path=place.path,
                    line=place.line,
                    folder=place.chart.service,
                    names=names,
                    problem=f"does not name {' and '.join(names)}",
                    service=place.chart.service.name,
                    excerpt=f"{PLAIN}:",
                )

    def unread_charts(self, tree: Tree, folders: Folders) -> Iterator[Unresolved]:
        """Yield the charts that cannot hand a secret on: a service must not depend on it then."""
        wanted = frozenset(folders)
        for item in self.in_charts:
            for chart, problem in chart_delivery.unreached(tree, wanted, item.name):
                yield Unresolved(
                    path=chart.values,
                    reason=Reason.AMBIGUOUS,
                    detail=f"the chart does not name {item.name}: {problem}",
                    hint="add the variable to the chart's secrets.",
                )

    def example_edits(self, tree: Tree, folders: Folders) -> Iterator[Edit]:
        """Yield the edits that name the setting in env examples, or blank a secret there."""
        setting = self.in_examples
        for lacking in self.undelivered_examples(tree, folders):
            content = tree.read(lacking.path) or b""
            if exposed := setting.exposed(content):
                placeholder = setting.example.rpartition("=")[2]
                change = Splice(start=exposed.start(1), end=exposed.end(1), text=placeholder)
            else:
                change = setting.added(content, self.beside)
            yield spliced(tree, lacking.path, [change])

    def first_examples(self, tree: Tree, folders: Folders) -> Iterator[Edit]:
        """Yield env examples for services that newly need the setting, where nothing else tells it.

        That is without a compose file or a chart that starts them, an example of their own or one
        above that names it.
        """
        for folder in sorted(set(folders)):
            if not self._is_told(tree, folder):
                text = f"{self.in_examples.example}\n"
                yield Edit(path=folder / EXAMPLES[0], before=None, after=text.encode())

    def _is_told(self, tree: Tree, folder: PurePosixPath) -> bool:
        alone = frozenset([folder])
        above = (path for each in folder.parents for path in examples_in(tree, each))
        return (
            bool(examples_in(tree, folder) or _started(tree, alone))
            or any(True for _ in helm.charts(tree, alone))
            or any(self.in_examples.is_named(tree.read(path) or b"") for path in above)
        )

    def compose_edits(self, tree: Tree, folders: Folders) -> Iterator[Edit]:
        """Yield one edit a file: compose files hand the settings on, examples beside name them."""
        overlay = Overlay(tree)
        handed: dict[PurePosixPath, list[Splice]] = {}
        for lack in self._compose(tree, frozenset(folders)):
            if not lack.is_example:
                values = {item.name: item.value for item in lack.settings}
                with suppress(ValueError):
                    handed.setdefault(lack.path, []).append(lack.service.added(values))
                continue
            for item in lack.settings:
                content = overlay.read(lack.path) or b""
                if not item.is_named(content):
                    overlay.lay(spliced(overlay, lack.path, [item.added(content, ())]))
        for path, splices in sorted(handed.items()):
            if splices:
                overlay.lay(spliced(tree, path, splices))
        yield from overlay.edits

    def chart_edits(self, tree: Tree, folders: Folders) -> Iterator[Edit]:
        """Yield one edit a file: charts hand the settings on as they do the others."""
        overlay = Overlay(tree)
        wanted = frozenset(folders)
        for place, missing in chart_delivery.undelivered(tree, wanted, self.in_charts):
            for edit in place.edits(overlay, missing) if missing else ():
                overlay.lay(edit)
        yield from overlay.edits

    def _compose(self, tree: Tree, folders: frozenset[PurePosixPath]) -> Iterator[_Lack]:
        """Yield what compose services, and the examples of what these are given, lack."""
        told: set[tuple[PurePosixPath, int, str]] = set()
        for folder, service in _started(tree, folders):
            wanted = [
                item
                for item in self.in_compose(tree, service)
                if item.name not in service.variables
                and (service.path, service.start, item.name) not in told
            ]
            told |= {(service.path, service.start, item.name) for item in wanted}
            made = partial(_Lack, folder=folder, service=service)
            given = service.env_files
            if given:
                said = [tree.read(path) or b"" for file in given for path in said_in(tree, file)]
                wanted = [item for item in wanted if not any(map(item.is_named, said))]
            elif wanted:
                yield made(path=service.path, settings=wanted, is_example=False)
            path = example_of(tree, given[0] if given else service.path.with_name(".env"))
            content = tree.read(path)
            named = [
                item
                for item in (wanted if given else self.in_compose(tree, service))
                if item.example
                and service.variables.get(item.name) in {None, "", item.reference}
                and (
                    item.value is None
                    or (item.value == item.reference and content is not None)
                    or (given and (content is not None or item.is_secret))
                )
                and not item.is_named(content or b"")
            ]
            if named:
                yield made(path=path, settings=named, is_example=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lack:
    """A compose file, or the example of what it takes values from, without settings."""

    path: PurePosixPath
    settings: list[Setting]
    folder: PurePosixPath
    service: compose.ComposeService
    is_example: bool

    @property
    def line(self) -> int:
        return 1 if self.is_example else (self.service.environment or self.service.node).line


def _lacking(lack: _Lack) -> str:
    said = " and ".join(item.name for item in lack.settings)
    return f"does not name {said}" if lack.is_example else f"does not hand {said} on"


@once
def _started(
    tree: Tree, folders: frozenset[PurePosixPath]
) -> tuple[tuple[PurePosixPath, compose.ComposeService], ...]:
    """Return the compose services that run one of `folders`, with the folder.

    What a file adds to the service of another one is left out: that one starts it.
    """
    return tuple(
        (folder, service)
        for service in (compose.all_services(tree) if folders else ())
        if compose.is_base(service.path) or service.context or service.image
        for folder in run_by(tree, service, folders)
    )
