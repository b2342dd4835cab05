"""Deliver settings to the services that read them: by env example, compose file and chart."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.formats.env_examples import EXAMPLES, example_of, examples_in, said_in
from closeout.formats.helm import PLAIN, SECRET, Variables, values_files, variables
from closeout.formats.images import run_by
from closeout.fs.text_edit import Splice, line_number, splice
from closeout.fs.tree import Overlay
from closeout.model import Edit, Reason, Tree, Unresolved

_PLACEHOLDER = re.compile(rb"^<.*>$|^$|change-?me|replace|placeholder|your[-_ ]", re.IGNORECASE)

Folders = Iterable[PurePosixPath]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A variable that fixed code reads, and what each sort of file says of it.

    A service that takes a secret has an example with a placeholder for it, and its chart takes it
    from where the last of the other secrets comes from.
    """

    name: str
    value: str | None = None
    """In compose; None hands on what the caller's environment says."""
    example: str = ""
    """Lines of an env example: a comment and the assignment."""
    chart: str = ""
    """Lines below a chart's plain variables; empty where charts are not told."""
    is_secret: bool = False
    below: str = ""
    """The variable below which an example names it: two gaps' lines would meet at the end."""

    def assigned(self, content: bytes) -> re.Match[bytes] | None:
        """Return the assignment in an env example, its value as the first group."""
        pattern = rb"^(?:export )?%s=([^\r\n]*)" % self.name.encode()
        return re.search(pattern, content, re.MULTILINE)

    def is_named(self, content: bytes) -> bool:
        """Return whether an env example speaks of it, of one with a default in a comment too."""
        has_default = ":-" in (self.value or "")
        return self.name.encode() in content if has_default else bool(self.assigned(content))

    def exposed(self, content: bytes) -> re.Match[bytes] | None:
        """Return the assignment in an env example that gives a secret a value."""
        found = self.assigned(content) if self.is_secret else None
        return found if found and not _PLACEHOLDER.search(found[1].strip(b"\"' ")) else None

    def added(self, content: bytes, companions: Iterable[Setting]) -> Splice:
        """Return the splice that names it in an env example, below companions not named there."""
        lacking = [item.example for item in companions if not item.is_named(content)]
        text = "\n".join([*lacking, self.example])
        above = re.search(rb"^%s=[^\r\n]*" % self.below.encode(), content, re.MULTILINE)
        if above is not None and self.below:
            return Splice(start=above.end(), end=above.end(), text=f"\n{text}")
        blank = "\n" if self.below and content else ""
        ended = content.endswith(b"\n") or not content
        text = f"{blank}{text}\n" if ended else f"\n{blank}{text}"
        return Splice(start=len(content), end=len(content), text=text)


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
        """Return the charts that list variables of the settings' sort."""
        yield from sorted({listed.path for listed, _ in self._charts(tree, frozenset(folders))})

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
        for listed, missing in self._charts(tree, wanted):
            names = tuple(item.name for item in missing)
            if names:
                yield Undelivered(
                    path=listed.path,
                    line=listed.node.line,
                    folder=listed.service,
                    names=names,
                    problem=f"does not name {' and '.join(names)}",
                    service=listed.service.name,
                    excerpt=f"{PLAIN}:",
                )

    def unread_charts(self, tree: Tree, folders: Folders) -> Iterator[Unresolved]:
        """Yield the charts that name a secret nowhere and list secrets in no way known here."""
        wanted = frozenset(folders)
        known = set(self.charts(tree, wanted))
        for path in values_files(tree, wanted):
            content = tree.read(path) or b""
            for item in self.in_charts:
                if item.name.encode() not in content and path not in known:
                    yield Unresolved(
                        path=path,
                        reason=Reason.AMBIGUOUS,
                        detail=f"the chart does not name {item.name}",
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
            yield _spliced(tree, lacking.path, [change])

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
                    overlay.lay(_spliced(overlay, lack.path, [item.added(content, ())]))
        for path, splices in sorted(handed.items()):
            if splices:
                overlay.lay(_spliced(tree, path, splices))
        yield from overlay.edits

    def chart_edits(self, tree: Tree, folders: Folders) -> Iterator[Edit]:
        """Yield the edits of charts: a secret comes from where its neighbour does."""
        for listed, missing in self._charts(tree, frozenset(folders)):
            secret = f":\n  secret: {_source(listed)}\n  key: "
            lines = [item.chart or f"{item.name}{secret}{item.name}" for item in missing]
            if lines:
                yield _spliced(tree, listed.path, [listed.added("\n".join(lines))])

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
                and not service.variables.get(item.name)
                and (item.value is None or (given and (content is not None or item.is_secret)))
                and not item.is_named(content or b"")
            ]
            if named:
                yield made(path=path, settings=named, is_example=True)

    def _charts(
        self, tree: Tree, folders: frozenset[PurePosixPath]
    ) -> Iterator[tuple[Variables, list[Setting]]]:
        """Yield each mapping that could name the settings, with those that it lacks."""
        is_secret = any(item.is_secret for item in self.in_charts)
        for listed in variables(tree, folders, SECRET if is_secret else PLAIN):
            if not is_secret:
                content = listed.content
                yield listed, [each for each in self.in_charts if each.name.encode() not in content]
            elif _source(listed):
                yield listed, [each for each in self.in_charts if each.name not in listed.names]


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


def _started(
    tree: Tree, folders: frozenset[PurePosixPath]
) -> Iterator[tuple[PurePosixPath, compose.ComposeService]]:
    """Yield the compose services that run one of `folders`, with the folder.

    What a file adds to the service of another one is left out: that one starts it.
    """
    for path in compose.files(tree) if folders else ():
        for service in compose.services(path, tree.read(path) or b""):
            if compose.is_base(path) or service.context or service.image:
                for folder in run_by(tree, service, folders):
                    yield folder, service


def _source(listed: Variables) -> str:
    """Return the secret that the last variable comes from, empty where there is none."""
    named = listed.node.entries[-1].value.get("secret")
    return named.text if named is not None else ""


def _spliced(tree: Tree, path: PurePosixPath, splices: Iterable[Splice]) -> Edit:
    before = tree.read(path)
    return Edit(
        path=path, before=before, after=splice(before or b"", splices), mode=tree.mode(path)
    )
