"""The battery joins two answers, says why one is missing, and leaves nothing behind."""

import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from closeout.cli.session import ProbeAnswer, recorded
from closeout.fs.tree import DiskTree, MemoryTree, digest
from closeout.harness.boot import NotBooted, booted, launch_of, python_launch
from closeout.harness.http import NoAnswerError, Request, ask
from closeout.harness.probe_runner import ProbeOutcome, run_battery
from closeout.model import Means, Observation, Probe, ProbeContext, ProofKind
from closeout.process import pace
from closeout.runs import evidence_store
from tests.support.outcomes import kind_of
from tests.support.tiny import (
    broken_service,
    importing_service,
    prefaced_service,
    tiny_service,
)

SERVICE = "cloud-tiny"


def _probe(
    run: Callable[[ProbeContext], Observation], *needs: str, name: str = "tiny.question"
) -> Probe:
    return Probe(id=name, criterion="1.1", needs=needs, run=run, subject=SERVICE)


def _asks_for_fixed(context: ProbeContext) -> Observation:
    answer = ask(context, SERVICE, Request(path="/"))
    seen = answer.body.decode()
    return Observation(passed=seen == "fixed", expected="fixed", observed=seen, command="curl")


def _reads_state(context: ProbeContext) -> Observation:
    seen = (context.root / "state").read_text()
    return Observation(passed=seen == "good", expected="good", observed=seen, command="cat state")


def _run(tmp_path: Path, *probes: Probe, before: str | None = "before") -> tuple[ProbeOutcome, ...]:
    return run_battery(
        tmp_path / before if before else None,
        tmp_path / "after",
        tmp_path / "scratch",
        python=Path(sys.executable),
        probes=probes,
        cache=tmp_path / "cache",
    )


@pytest.fixture
def trees(tmp_path: Path) -> Path:
    """Lay two empty trees."""
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "state").write_text("good")
    return tmp_path


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("bad", "good", ProofKind.PROOF),
        ("good", "good", ProofKind.GUARD),
        ("good", "bad", ProofKind.REGRESSION),
        ("bad", "bad", ProofKind.OPEN),
    ],
)
def test_outcome_is_what_both_answers_say_together(
    trees: Path, before: str, after: str, kind: ProofKind
) -> None:
    """Red then green is proof; a guard, a regression and an open gap are told apart."""
    (trees / "before" / "state").write_text(before)
    (trees / "after" / "state").write_text(after)
    (outcome,) = _run(trees, _probe(_reads_state))
    assert kind_of(outcome) is kind


def test_outcome_is_only_observed_when_there_is_no_tree_before_the_fix(trees: Path) -> None:
    """Green without a red before it is no proof."""
    (outcome,) = _run(trees, _probe(_reads_state), before=None)
    assert outcome.before is None
    assert kind_of(outcome) is ProofKind.OBSERVED


def test_battery_asks_the_booted_service_of_each_tree(trees: Path) -> None:
    """A service's own code answers on both trees, and the answer says how it was started."""
    tiny_service(trees / "before", SERVICE, "broken")
    tiny_service(trees / "after", SERVICE, "fixed")
    (outcome,) = _run(trees, _probe(_asks_for_fixed, SERVICE))
    assert kind_of(outcome) is ProofKind.PROOF
    assert outcome.before is not None
    assert outcome.before.observed.startswith("broken")
    assert "python launcher" in outcome.after.observed
    assert "stubbed: nothing" in outcome.after.observed


def test_battery_writes_nothing_to_the_trees(trees: Path) -> None:
    """Services run from copies: a file that one writes is not in the target."""
    tiny_service(trees / "after", SERVICE, "fixed")
    earlier = digest(DiskTree(trees / "after"))
    _run(trees, _probe(_asks_for_fixed, SERVICE), before=None)
    assert digest(DiskTree(trees / "after")) == earlier
    assert not (trees / "after" / "cloud-layer" / SERVICE / "app" / "pid").exists()


def test_probe_did_not_run_when_its_service_does_not_boot(trees: Path) -> None:
    """The reason is the log's last lines, and the probe is neither red nor green."""
    broken_service(trees / "after", SERVICE)
    (outcome,) = _run(trees, _probe(_asks_for_fixed, SERVICE), before=None)
    assert kind_of(outcome) is ProofKind.NOT_RUN
    assert "the model store is not there" in outcome.after.observed


_ONCE = """
from pathlib import Path
STARTS = Path(__file__).with_name("starts")
STARTS.write_text(STARTS.read_text() + "x" if STARTS.exists() else "x")
"""
_FAILS_AT_FIRST = _ONCE + "if len(STARTS.read_text()) == 1:\n    raise SystemExit(9)\n"
_HANGS_AT_FIRST = _ONCE + "if len(STARTS.read_text()) == 1:\n    __import__('time').sleep(600)\n"


def _starts(trees: Path) -> list[str]:
    return [place.read_text() for place in (trees / "scratch").rglob("starts")]


@pytest.mark.parametrize("preface", [_FAILS_AT_FIRST, _HANGS_AT_FIRST])
def test_service_that_is_lost_is_started_once_more(trees: Path, preface: str) -> None:
    """Whether it ended or was given up: its probes run all the same."""
    prefaced_service(trees / "after", SERVICE, preface)
    probe = _probe(_asks_for_fixed, SERVICE)
    with pace.kept(pace.Pace(deadline=2.0)):
        (outcome,) = _run(trees, probe, before=None)
    assert outcome.after.observed.startswith("up")
    assert _starts(trees) == ["xx"]


def test_service_that_is_lost_twice_is_given_up(trees: Path) -> None:
    """Two starts and no more, and the reason says so."""
    prefaced_service(trees / "after", SERVICE, _ONCE + "raise SystemExit(9)\n")
    (outcome,) = _run(trees, _probe(_asks_for_fixed, SERVICE), before=None)
    assert kind_of(outcome) is ProofKind.NOT_RUN
    assert "cloud-tiny is not up: started twice: ended with status 9" in outcome.after.observed
    assert _starts(trees) == ["xx"]


@pytest.mark.parametrize("workers", [1, 2])
def test_no_more_services_boot_at_once_than_the_pace_allows(trees: Path, workers: int) -> None:
    """Four services of two trees come up one or two at a time, and all come up."""
    names = [f"cloud-tiny-{number}" for number in range(4)]
    log = trees / "boots"
    for tree in ("before", "after"):
        for name in names:
            prefaced_service(
                trees / tree,
                name,
                f"import time\nBOOTS = open({str(log)!r}, 'a', buffering=1)\nBOOTS.write('+')\n"
                "BOOTS.flush()\ntime.sleep(0.2)\nBOOTS.write('-')\nBOOTS.flush()\n",
            )

    def asks(context: ProbeContext) -> Observation:
        seen = ", ".join(sorted(context.services))
        return Observation(passed=True, expected="all", observed=seen, command="none")

    with pace.kept(pace.Pace(workers=workers)):
        (outcome,) = _run(trees, _probe(asks, *names))
    assert kind_of(outcome) is ProofKind.GUARD, outcome.after.observed
    booting = [0]
    for sign in log.read_text():
        booting.append(booting[-1] + (1 if sign == "+" else -1))
    assert len(booting) == 1 + 2 * 8
    assert max(booting) <= workers


def test_one_worker_asks_the_probes_one_after_the_other(trees: Path) -> None:
    """Beside two trees' probes a third asker runs otherwise, those that need no service."""
    asking, most = [], [0]

    def asks(context: ProbeContext) -> Observation:
        asking.append(context)
        most[0] = max(most[0], len(asking))
        time.sleep(0.1)
        asking.remove(context)
        return Observation(passed=True, expected="alone", observed="asked", command="none")

    with pace.kept(pace.Pace(workers=1)):
        _run(trees, *(_probe(asks, name=f"tiny.{number}") for number in range(3)))
    assert most == [1]


def test_probe_did_not_run_when_the_tree_lacks_its_service(trees: Path) -> None:
    """A service that is not in the tree is named."""
    (outcome,) = _run(trees, _probe(_asks_for_fixed, "cloud-nowhere"))
    assert outcome.after.passed is None
    assert "no service folder cloud-nowhere" in outcome.after.observed


def test_probe_did_not_run_when_a_tool_is_missing(trees: Path) -> None:
    """A missing tool is unproven, never green."""
    (outcome,) = _run(trees, _probe(_reads_state, "no-such-tool"))
    assert outcome.after.passed is None
    assert "no-such-tool is not installed" in outcome.after.observed


def test_one_broken_probe_does_not_hide_the_others(trees: Path) -> None:
    """A probe that fails by itself did not run, with its error; the next one is asked."""

    def breaks(context: ProbeContext) -> Observation:
        message = f"no {context.services}"
        raise LookupError(message)

    broken, fine = _run(trees, _probe(breaks), _probe(_reads_state, name="tiny.other"))
    assert broken.after.passed is None
    assert "LookupError" in broken.after.observed
    assert kind_of(fine) is ProofKind.GUARD


def test_silence_of_the_service_is_red(trees: Path) -> None:
    """A connection that is closed without an answer fails the probe instead of excusing it."""
    tiny_service(trees / "after", SERVICE, "fixed")

    def hangs_up(context: ProbeContext) -> Observation:
        with pytest.raises(NoAnswerError) as raised:
            ask(context, SERVICE, Request(path="/hang-up"))
        raise raised.value

    (outcome,) = _run(trees, _probe(hangs_up, SERVICE), before=None)
    assert outcome.after.passed is False
    assert "no answer" in outcome.after.observed


def _pids(tmp_path: Path) -> list[int]:
    return [int(place.read_text()) for place in (tmp_path / "scratch").rglob("pid")]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_nothing_is_left_running_after_a_run(trees: Path) -> None:
    """Every process that was started is gone."""
    for name in ("before", "after"):
        tiny_service(trees / name, SERVICE, "fixed")
    _run(trees, _probe(_asks_for_fixed, SERVICE))
    pids = _pids(trees)
    assert len(pids) == 2
    assert not any(_is_alive(pid) for pid in pids)


def test_nothing_is_left_running_after_an_interrupt(trees: Path) -> None:
    """An interrupt in the middle ends the services, and later probes are not asked."""
    tiny_service(trees / "after", SERVICE, "fixed")
    asked = []

    def interrupts(context: ProbeContext) -> Observation:
        asked.append(context)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _run(trees, _probe(interrupts, SERVICE), _probe(interrupts, SERVICE), before=None)
    assert len(asked) == 1
    assert not any(_is_alive(pid) for pid in _pids(trees))


def test_module_that_is_not_installed_is_stubbed_and_named(trees: Path) -> None:
    """The application boots without it, and the evidence names what was stubbed."""
    importing_service(trees / "after", SERVICE, "uninstallable_engine")

    def asks(context: ProbeContext) -> Observation:
        answer = ask(context, SERVICE, Request(path="/"))
        return Observation(
            passed=answer.status == 200, expected="200", observed="up", command="curl"
        )

    (outcome,) = _run(trees, _probe(asks, SERVICE), before=None)
    assert outcome.after.passed
    assert "stubbed: uninstallable_engine" in outcome.after.observed


def _is_up(context: ProbeContext) -> Observation:
    is_up = ask(context, SERVICE, Request(path="/")).status == 200
    return Observation(passed=is_up, expected="200", observed="up", command="curl")


def test_a_service_in_which_the_probes_subject_is_a_stub_proves_nothing(trees: Path) -> None:
    """Another stub is no hindrance; either stands in the evidence by name."""
    importing_service(trees / "after", SERVICE, "uninstallable_limiter")
    about = replace(_probe(_is_up, SERVICE), packages=frozenset({"uninstallable_limiter"}))
    other = replace(about, packages=frozenset({"another"}), id="tiny.other")
    stubbed, asked = _run(trees, about, other, before=None)
    assert stubbed.after.passed is None
    assert stubbed.after.observed.startswith("no proof: uninstallable_limiter is what is asked")
    assert asked.after.passed
    assert [made.stubbed for made in asked.after.stand_ins] == [("uninstallable_limiter",)]


@pytest.mark.parametrize(
    ("command", "passed"), [("mlflow server --port 1", None), ("uvicorn app.main:app", True)]
)
def test_an_app_that_its_image_never_starts_proves_nothing(
    trees: Path, command: str, passed: bool | None
) -> None:
    """The evidence says what is started in its place."""
    folder = tiny_service(trees / "after", SERVICE, "up")
    (folder / "Dockerfile").write_text(f"FROM a\nCMD {command}\n")
    (outcome,) = _run(trees, _probe(_is_up, SERVICE), before=None)
    seen = outcome.after
    assert seen.passed is passed
    assert ("`mlflow server`, never the app" in seen.observed) is (passed is None)
    answers = [ProbeAnswer(probe=f"tiny.{at}", criterion="1.1", seen=seen) for at in "ab"]
    answers[1] = replace(answers[1], seen=replace(seen, observed=f"{seen.observed} and more"))
    told = evidence_store.causes(recorded(MemoryTree({}), answers, Means.LIVE))
    assert [len(cause.probes) for cause in told] == ([2] if passed is None else [])


def test_probe_boots_a_process_of_its_own_with_another_environment(trees: Path) -> None:
    """A probe can start the service again as the battery did, differing in what it says."""
    tiny_service(trees / "after", SERVICE, "fixed")

    def boots(context: ProbeContext) -> Observation:
        launch = launch_of(context, SERVICE).with_environment({"A": "b"}).without("TESTING")
        with booted(launch, context.scratch / "own.log") as service:
            reason = service.reason if isinstance(service, NotBooted) else ""
            return Observation(
                passed=not reason and "TESTING" not in launch.environment,
                expected="boots",
                observed=reason or "boots",
                command="start",
            )

    (outcome,) = _run(trees, _probe(boots, SERVICE), before=None)
    assert outcome.after.passed, outcome.after.observed


def test_booted_says_why_when_the_interpreter_is_missing(tmp_path: Path) -> None:
    """A missing program is a reason, not an exception."""
    folder = tiny_service(tmp_path, SERVICE, "fixed")
    launch = python_launch(folder, tmp_path / "no-python", {})
    with booted(launch, tmp_path / "own.log") as service:
        assert isinstance(service, NotBooted)
        assert "No such file" in service.reason


def test_booted_gives_up_when_the_deadline_passes(tmp_path: Path) -> None:
    """A service that neither listens nor ends is given up in time, and ended."""
    folder = tiny_service(tmp_path, SERVICE, "fixed")
    (folder / "app" / "main.py").write_text("import time\ntime.sleep(60)\n")
    launch = python_launch(folder, Path(sys.executable), {})
    with booted(launch, tmp_path / "own.log", deadline=0.5) as service:
        assert isinstance(service, NotBooted)
        assert "did not listen within 0.5 s" in service.reason


_BUSY = "import time\nEND = time.monotonic() + 2\nwhile time.monotonic() < END:\n    pass\n"
_TALKS = "import time\nfor n in range(20):\n    print(n, flush=True)\n    time.sleep(0.1)\n"


@pytest.mark.parametrize("preface", [_BUSY, _TALKS])
def test_booted_waits_for_a_slow_service_that_makes_progress(tmp_path: Path, preface: str) -> None:
    """Two seconds of start within a deadline of one: it uses the processor, or its log grows."""
    folder = prefaced_service(tmp_path, SERVICE, preface)
    launch = python_launch(folder, Path(sys.executable), {})
    with booted(launch, tmp_path / "own.log", deadline=1.0) as service:
        assert not isinstance(service, NotBooted), service.reason
    assert len((tmp_path / "own.log").read_text().split('{"closeout"')) == 2, "started once"


@pytest.mark.parametrize("body", ["import time\ntime.sleep(600)\n", "while True:\n    pass\n"])
def test_booted_gives_up_in_bounded_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str
) -> None:
    """Two starts of four deadlines at the most, whether it hangs or works without end."""
    monkeypatch.setattr(pace, "slowness", lambda: 1.0)
    folder = tiny_service(tmp_path, SERVICE, "fixed")
    (folder / "app" / "main.py").write_text(body)
    launch = python_launch(folder, Path(sys.executable), {})
    began = time.monotonic()
    with booted(launch, tmp_path / "own.log", deadline=0.5) as service:
        took = time.monotonic() - began
        assert isinstance(service, NotBooted)
        assert service.reason.startswith("started twice: did not listen within 0.5 s")
    assert took < 2 * 4 * 0.5 + 3


def test_booted_asks_a_service_that_answers_slowly_with_growing_patience(tmp_path: Path) -> None:
    """A first answer that takes three seconds is waited for, instead of asked for again."""
    folder = tiny_service(tmp_path, SERVICE, "fixed")
    server = folder / "uvicorn.py"
    slow = "def do_GET(self):\n                __import__('time').sleep(3)\n"
    server.write_text(server.read_text().replace("def do_GET(self):\n", slow))
    launch = python_launch(folder, Path(sys.executable), {})
    with booted(launch, tmp_path / "own.log", deadline=15.0) as service:
        assert not isinstance(service, NotBooted), service.reason


def test_booted_says_so_when_the_port_is_taken(tmp_path: Path) -> None:
    """The reason is the system's own, from the log."""
    folder = tiny_service(tmp_path, SERVICE, "fixed")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        launch = python_launch(folder, Path(sys.executable), {}).with_arguments("--port", port)
        with booted(launch, tmp_path / "own.log") as service:
            assert isinstance(service, NotBooted)
            assert "Address already in use" in service.reason


def test_battery_boots_a_service_as_closeout_toml_declares_it(trees: Path) -> None:
    """Another name, folder, module, environment and stub than the usual ones."""
    folder = importing_service(trees / "after", SERVICE, "uninstallable_engine")
    (trees / "after" / "services").mkdir()
    moved = folder.rename(trees / "after" / "services" / "barn")
    (moved / "app").rename(moved / "core")
    (trees / "after" / "closeout.toml").write_text(
        """
[[service]]
name = "barn-api"
folder = "services/barn"
kind = "fastapi"
app = "core.main"
env = { BARN_MODE = "dummy" }
stubs = ["uninstallable_engine"]
"""
    )

    def asks(context: ProbeContext) -> Observation:
        launch = launch_of(context, "barn-api")
        answer = ask(context, "barn-api", Request(path="/"))
        return Observation(
            passed=answer.status == 200 and launch.environment["BARN_MODE"] == "dummy",
            expected="up",
            observed=answer.body.decode(),
            command="curl",
        )

    probe = Probe(
        id="tiny.declared", criterion="1.1", needs=("barn-api",), run=asks, subject="barn-api"
    )
    (outcome,) = _run(trees, probe, before=None)
    assert outcome.after.passed, outcome.after.observed
    assert "stubbed: uninstallable_engine" in outcome.after.observed
