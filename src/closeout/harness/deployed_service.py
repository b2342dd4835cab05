"""Start a service of a tree as one of the tree's own environments does, and with nothing more."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from closeout.errors import CloseoutError
from closeout.formats.deployed import Deployed
from closeout.harness import boot, filling, postgres, service_database, service_launch
from closeout.harness.boot import Booted, Launch, NotBooted
from closeout.harness.launchers.fillings import value_of
from closeout.harness.service_discovery import FASTAPI, Member
from closeout.harness.service_environments import Interpreter

_FILLINGS = 5
_ADDRESS = re.compile(r"^postgres(ql)?(\+\w+)?://")
_OURS = ("NODE_OPTIONS", "PATH", "PYTHONPATH")
"""Where a container's programs and modules are, this machine has others."""
_QUIET = {"PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What services are started with; `interpreters` by `label/name` of a FastAPI service."""

    interpreters: Mapping[str, Interpreter]
    server: postgres.Server | None
    cache: Path
    logs: Path
    stop: Event


def values(given: Deployed) -> dict[str, str]:
    """Return the variables of an environment, with values for those that the tree keeps back."""
    made = {**given.variables, **{name: value_of(name, "") for name in given.kept}}
    return {name: value for name, value in made.items() if name not in _OURS}


def is_database(given: Deployed) -> bool:
    """Return whether an environment gives a PostgreSQL database."""
    return any(_ADDRESS.match(value) for value in values(given).values())


@dataclass(slots=True, kw_only=True)
class DeployedService:
    """One service of one tree's copy; what it takes to start it is made when it first is."""

    label: str
    tree: Path
    member: Member
    equipment: Equipment
    _bare: Launch | None = None
    _dsn: str = ""

    def started(self, given: Deployed | None, *, filled: Mapping[str, str]) -> Booted | NotBooted:
        """Start and end it with what an environment gives, and with `filled` alone beyond it."""
        if given is None or given.refused:
            why = given.refused if given else "no file starts it any more"
            return NotBooted(service=self.member.name, reason=why)
        return self._boot(given, filled, may_fill=False)

    def filled(self, given: Deployed) -> tuple[Booted | NotBooted, Mapping[str, str]]:
        """Start and end it with all that it asks for by name; return what nobody gives it."""
        filled: dict[str, str] = {}
        for _ in range(_FILLINGS):
            outcome = self._boot(given, filled, may_fill=True)
            if isinstance(outcome, Booted):
                return outcome, {
                    name: value_of(name, "") for name in outcome.names("filled")
                } | filled
            known, said = {*filled, *given.variables}, outcome.reason
            asked = [name for name in filling.named(said) if name not in known]
            if not asked:
                beside = filling.read_beside(self.tree, self.member, said)
                asked = [name for name in beside if name not in known]
            if not asked:
                break
            filled |= {name: value_of(name, "") for name in asked}
        return outcome, filled

    def _boot(
        self, given: Deployed, filled: Mapping[str, str], *, may_fill: bool
    ) -> Booted | NotBooted:
        try:
            self._bare = self._bare or self._made()
        except CloseoutError as error:
            return NotBooted(service=self.member.name, reason=error.message)
        launch = self._bare.with_environment(
            {**filled, **({} if given.is_file else self._values(given)), **self.member.env}
        )
        if self.member.kind == FASTAPI and not may_fill:
            launch = launch.with_arguments("--fill", ",".join(filled))
        name = f"{self.label}-{self.member.name}-{str(given.source).replace('/', '+')}.log"
        with (
            self._file(given),
            boot.booted(launch, self.equipment.logs / name, stop=self.equipment.stop) as outcome,
        ):
            return outcome

    def _made(self) -> Launch:
        equipment, member = self.equipment, self.member
        if member.kind == FASTAPI:
            interpreter = equipment.interpreters[f"{self.label}/{member.name}"]
            return service_launch.of_fastapi(self.tree, member, interpreter, _QUIET)
        if equipment.server is not None:
            name = f"parity_{self.label}_{member.name}"
            self._dsn = service_database.create(equipment.server, name, self.tree / member.folder)
        settings = {"CLOSEOUT_ACCOUNTS": service_database.accounts()}
        return service_launch.of_express(self.tree, member, settings, equipment.cache)

    def _values(self, given: Deployed) -> dict[str, str]:
        return {
            name: self._dsn if self._dsn and _ADDRESS.match(value) else value
            for name, value in values(given).items()
        }

    @contextmanager
    def _file(self, given: Deployed) -> Iterator[None]:
        """Keep the service's own `.env` in its copy for the block, where it is read from one."""
        place = self.tree / self.member.folder / ".env"
        if not given.is_file or place.exists():
            yield
            return
        lines = (f"{name}={value}\n" for name, value in self._values(given).items())
        place.write_text("".join(lines))
        try:
            yield
        finally:
            place.unlink()
