"""Judge drifted FastAPI services by booting them, two at once, before and after the fix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from closeout.fs import writer
from closeout.gaps.cors.probing.origins import EVIL, get, not_shared, preflight, readable_from
from closeout.gaps.headers.probes import KINDS, complete
from closeout.harness.boot import Booted, booted, python_launch
from closeout.harness.http import Judge, NoAnswerError, Request, send
from closeout.harness.service_launch import PYTHON_SETTINGS
from closeout.model import Tree
from tests.drift import Judgement, Tools
from tests.drift.cases import Case, Outcome
from tests.drift.staging import Staged

OWN = "https://farm.example"
"""The one origin that the booted services are told to trust."""

_AT_ONCE = 2
_PATHS = ("/__closeout__/200", "/__closeout__/500", "/__closeout__/nothing")
_OF_THE_LAUNCHER = tuple(KINDS.values())

Questions = Callable[[Case], Iterable[tuple[Request, Judge]]]


def judge_cors(staged: Sequence[Staged], scratch: Path, tools: Tools) -> Mapping[str, Judgement]:
    """Ask with a foreign origin, which must get nothing, and with the service's own."""
    return _judged(staged, scratch, tools, _cross_origin, ("open to any origin", "closed"))


def judge_headers(staged: Sequence[Staged], scratch: Path, tools: Tools) -> Mapping[str, Judgement]:
    """Look at every kind of answer: all four headers, each once."""
    return _judged(staged, scratch, tools, _every_kind, ("headers lack", "all headers"))


def _cross_origin(case: Case) -> Iterable[tuple[Request, Judge]]:
    own = case.settings.get("own", OWN)
    for path in (*_PATHS, *case.settings.get("paths", ())):
        yield preflight(EVIL, path=path), not_shared
        yield get(EVIL, path=path), not_shared
    for path in ("/__closeout__/200", *case.settings.get("paths", ())):
        yield preflight(own, path=path), partial(readable_from, own)
        yield get(own, path=path), partial(readable_from, own)


def _every_kind(case: Case) -> Iterable[tuple[Request, Judge]]:
    for request in _OF_THE_LAUNCHER:
        yield request, complete
    for path in case.settings.get("paths", ()):
        yield Request(path=path), complete


def _judged(
    staged: Sequence[Staged],
    scratch: Path,
    tools: Tools,
    questions: Questions,
    words: tuple[str, str],
) -> Mapping[str, Judgement]:
    python = tools.python
    if python is None:
        told = "not asked: --python names no interpreter with the services' packages"
        return {item.case.name: Judgement(passed=None, told=told) for item in staged}

    def one(numbered: tuple[int, Staged]) -> Judgement:
        number, item = numbered
        return _one(item, scratch / str(number), python, list(questions(item.case)), words)

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        judgements = list(pool.map(one, enumerate(staged)))
    return {item.case.name: judgement for item, judgement in zip(staged, judgements, strict=True)}


def _one(
    item: Staged,
    scratch: Path,
    python: Path,
    questions: Sequence[tuple[Request, Judge]],
    words: tuple[str, str],
) -> Judgement:
    is_open, is_closed = words
    before = _faults(item, item.before, scratch / "before", python, questions)
    if isinstance(before, str):
        meant = item.case.settings.get("boots") is False and "SyntaxError" in before
        told = "live: does not start, as the refusal says" if meant else f"does not start: {before}"
        return Judgement(passed=meant, told=told)
    asked = f"{len(questions)} requests"
    if item.case.expect is Outcome.LEFT_ALONE:
        told = "; ".join(before[:2]) or f"live: {is_closed} as it was ({asked})"
        return Judgement(passed=not before, told=told)
    if not before:
        return Judgement(passed=False, told=f"live: {is_closed} before any fix, so no defect")
    opened = f"{is_open} before ({len(before)} of {asked})"
    if item.case.expect is Outcome.REFUSED:
        return Judgement(passed=True, told=f"live: {opened}, as the refusal says")
    after = _faults(item, item.after, scratch / "after", python, questions)
    if after:
        told = after if isinstance(after, str) else "; ".join(after[:2])
        return Judgement(passed=False, told=f"live: {opened}; after: {told}")
    return Judgement(passed=True, told=f"live: {opened}, {is_closed} after")


def _faults(
    item: Staged,
    tree: Tree,
    scratch: Path,
    python: Path,
    questions: Sequence[tuple[Request, Judge]],
) -> list[str] | str:
    """Return what is wrong with the service's answers, or in one text why it does not start."""
    writer.copy_tree(tree, scratch)
    environment = {**PYTHON_SETTINGS, "ALLOWED_ORIGINS": OWN}
    launch = python_launch(scratch / item.case.service, python, environment)
    launch = launch.with_arguments("--target", item.case.settings.get("target", "app.main"))
    with booted(launch, scratch / "service.log") as service:
        if not isinstance(service, Booted):
            return service.reason
        if service.told.get("stubbed"):
            # An import from the wrong place would pass as a package that is not installed.
            return f"imports what is not there: {service.manner}"
        told = (_asked(service, request, judge) for request, judge in questions)
        return [fault for fault in told if fault]


def _asked(service: Booted, request: Request, judge: Judge) -> str:
    """Return what is wrong with one answer, nothing where it is as it must be."""
    try:
        faults = judge(send(service.url, request))
    except NoAnswerError as error:
        return str(error)
    return f"{request.label}: {', '.join(faults)}" if faults else ""
