"""Hand a secret on to a service that made it up so far, by every file that starts it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.formats.deployed import environments
from closeout.formats.env_examples import examples_in
from closeout.formats.images import run_by
from closeout.formats.settings import Setting
from closeout.formats.settings_delivery import Delivery
from closeout.fs.tree import Overlay
from closeout.gaps.external_secrets.fallbacks.written_default import WrittenDefault, masked
from closeout.gaps.external_secrets.required import RequiredNames, referring, required
from closeout.model import Edit, Tree

_LOOPBACK = re.compile(r"@(?:localhost|127\.0\.0\.1|\[::1\])\b")


class HandedOn:
    """The files of a tree that start services, with the secrets that were delivered so far."""

    def __init__(self, tree: Tree) -> None:
        """Begin with what the tree's own files hand on."""
        self._overlay = Overlay(tree)
        self._names: dict[PurePosixPath, RequiredNames] = {}

    @property
    def edits(self) -> tuple[Edit, ...]:
        """Return the edits of what was delivered."""
        return self._overlay.edits

    def deliver(self, folder: PurePosixPath, item: WrittenDefault) -> str:
        """Deliver a variable, or return why the service would not get it everywhere.

        A tool that is run by hand, and by nothing in the tree, says itself what it lacks.
        """
        tree, name = self._overlay, item.name
        delivery = self._delivery(folder, name, item.literal)
        for unread in delivery.unread_charts(tree, [folder]):
            return f"{unread.path}: {unread.detail}"
        trial = Overlay(tree)
        said = [tree.read(path) or b"" for path in examples_in(tree, folder)]
        is_named = any(map(delivery.in_examples.assigned, said))
        for edit in delivery.example_edits(tree, [folder] if said and not is_named else []):
            trial.lay(edit)
        known = environments(trial, folder)
        if any(name not in each.variables for each in known):
            for edit in (
                *delivery.compose_edits(tree, [folder]),
                *delivery.chart_edits(tree, [folder]),
            ):
                trial.lay(edit)
            known = environments(trial, folder)
        lacking = [each for each in known if name not in each.variables and not each.refused]
        if lacking:
            return f"{lacking[0].source} does not hand it on"
        is_tool = item.is_script and tree.read(folder / "Dockerfile") is None
        if not (known or is_tool):
            return "nothing in the tree says what starts the service"
        for edit in trial.edits:
            tree.lay(edit)
        return ""

    def is_copied(self, folder: PurePosixPath) -> bool:
        """Return whether developers start the service with a copy of its example."""
        return any(each.is_file for each in environments(Overlay(self._overlay), folder))

    def _delivery(self, folder: PurePosixPath, name: str, literal: str) -> Delivery:
        setting = Setting(name=name, example=f"{name}={masked(literal)}", is_secret=True)

        def given(_: Tree, service: compose.ComposeService) -> Iterable[Setting]:
            value = self._value(folder, service, name, literal)
            return (replace(setting, value=value),) if value else ()

        return Delivery(in_examples=setting, in_charts=(setting,), in_compose=given)

    def _value(
        self, folder: PurePosixPath, service: compose.ComposeService, name: str, literal: str
    ) -> str:
        """Return what a compose service is given: as beside it, else what the code made up.

        Nothing where that is an address on a developer's machine.
        """
        tree = self._overlay
        for other in compose.all_services(tree):
            said = other.variables.get(name, "")
            is_beside = "$" in said and other.path.parent == service.path.parent
            if is_beside and tuple(run_by(tree, other, frozenset([folder]))):
                return said
        if _LOOPBACK.search(literal):
            return ""
        beside = compose.services(service.path, service.content)
        return referring(name, literal, service, beside, self._known(service.path.parent))

    def _known(self, folder: PurePosixPath) -> RequiredNames:
        """Return the variables of a folder's compose files, with what they stand for there."""
        if folder not in self._names:
            names = self._names.setdefault(folder, RequiredNames())
            for path in compose.files(self._overlay):
                if path.parent == folder:
                    required(path, self._overlay.read(path) or b"", names)
        return self._names[folder]
