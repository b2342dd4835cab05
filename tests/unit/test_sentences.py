"""No sentence of a report says closed, holds, all, every or none over what was not judged.

Every template of such a sentence is read from the source and has to be told by one of the mixtures
below; every sentence that they tell is read, and is true of the mixture that it is told of.
"""

import ast
import html
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path, PurePosixPath

import pytest

import closeout
from closeout.engine import detector_evidence, evaluate
from closeout.engine.subjects import Absence
from closeout.fs.tree import MemoryTree
from closeout.model import Check, FileQuestion, Finding, Gap, Means, Reason, Unresolved
from closeout.model.verdicts import Evidence, Waiver
from closeout.reporting import github, junit, markdown, page, terminal
from closeout.reporting.report import Report, to_json
from closeout.workorders import claims
from tests.support.builders import NOW, criterion, evidence, order, toy_gap

TREE = "ab" * 32
CLAIM = re.compile(
    r"\b(closed|closes|holds?|held|all|every|each|none|nothing|no place|done|proven|whole)\b",
    re.IGNORECASE,
)
"""Words that claim something of everything, or that it is settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How one criterion stands, in numbers that nothing but this test counts."""

    name: str
    means: Means = Means.LIVE
    named: int = 0
    unnamed: int = 0
    refused: int = 0
    is_asked: bool = False
    """Whether a probe asks about what was refused."""
    seen: tuple[Mapping[str, object], ...] = ()
    waived: bool = False
    absent: bool = False
    hidden: bool = False
    ours: bool = False
    unasked: bool = False
    """Whether no probe asks it of the tree."""
    left: bool = False
    """Whether the fix refused every open place."""

    @property
    def answers(self) -> list[object]:
        """Return what the probes answered of the tree as it is."""
        return [item.get("passed", True) for item in self.seen if "tree_digest" not in item]

    @property
    def is_closed(self) -> bool:
        """Return whether everything was judged, and one answer at least proves it."""
        is_answered = self.is_asked and bool(self.answers)
        is_guarded = all(item.get("before") is True for item in self.seen)
        return (
            not (self.named or self.unnamed or self.hidden or self.ours or self.absent)
            and (not self.refused or is_answered)
            and self.answers != []
            and set(self.answers) == {True}
            and not is_guarded
        )

    @property
    def unjudged(self) -> int:
        """Return how many places nothing tells of."""
        return 0 if self.is_closed else self.refused


_GREEN = {"before": False}
STATES = (
    State(name="closed", seen=(_GREEN, _GREEN)),
    State(name="read", means=Means.STATIC, seen=({"means": Means.STATIC},)),
    State(name="open", named=1, seen=(_GREEN,)),
    State(name="open-much", named=5),
    State(name="open-elsewhere", unnamed=1, seen=(_GREEN,)),
    State(name="open-elsewhere-and-unread", unnamed=1, refused=2),
    State(name="unread", refused=2, seen=(_GREEN,)),
    State(name="asked-green", refused=1, is_asked=True, seen=(_GREEN,)),
    State(name="asked-red", refused=1, is_asked=True, seen=({"passed": False},)),
    State(name="asked-guard", refused=1, is_asked=True, seen=({"before": True},)),
    State(name="not-asked", refused=1, is_asked=True),
    State(name="red", seen=(_GREEN, {"passed": False, "probe": "toy.red"})),
    State(name="guard", seen=({"before": True},)),
    State(name="unproven"),
    State(name="unasked", unasked=True),
    State(name="stale", seen=({"tree_digest": "cd" * 32},)),
    State(name="not-run", seen=({"passed": None, "observed": "no mosquitto"},)),
    State(name="accepted", named=1, waived=True),
    State(name="absent", absent=True),
    State(name="hidden", absent=True, hidden=True),
    State(name="ours", ours=True, seen=(_GREEN,)),
    State(name="left", named=1, left=True),
)
CLOSED = STATES[0]

TOY = toy_gap(criteria=("1.1", "1.2"))
OTHER = toy_gap(slug="other", issue=2, title="other", criteria=("2.1",))
NUMBERS = ("1.1", "1.2", "2.1")
Mixture = Mapping[str, State]


def _mixtures() -> Iterator[Mixture]:
    """Yield every pair of states in two gaps, and each state three times."""
    for first, other in itertools.product(STATES, STATES):
        yield dict(zip(NUMBERS, (first, CLOSED, other), strict=True))
    for state in STATES:
        yield dict.fromkeys(NUMBERS, state)


def _gap_of(number: str) -> Gap:
    return TOY if number in TOY.criteria else OTHER


def _path(number: str, kind: str, count: int) -> PurePosixPath:
    return PurePosixPath(f"{number}-{kind}{count}.ts")


def _findings(number: str, state: State) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            gap=_gap_of(number).slug,
            rule="word",
            criterion=number,
            path=_path(number, kind, count),
            line=1,
            message="the word stands here",
            excerpt="OPEN",
            named=kind == "named",
        )
        for kind, most in (("named", state.named), ("other", state.unnamed))
        for count in range(most)
    )


def _refusals(number: str, state: State) -> tuple[Unresolved, ...]:
    return tuple(
        Unresolved(
            path=_path(number, "refused", count),
            reason=Reason.AMBIGUOUS if state.is_asked else Reason.UNPARSABLE,
            detail="it cannot be read",
            probes=(f"toy.{number}",) if state.is_asked else (),
        )
        for count in range(state.refused)
    )


def _report(mixture: Mixture) -> Report:
    checks: dict[str, list[Check]] = {TOY.slug: [], OTHER.slug: []}
    for number, state in mixture.items():
        if not state.absent:
            checks[_gap_of(number).slug].append(
                Check(
                    rule="word",
                    criterion=number,
                    examined=(PurePosixPath("seen.ts"),),
                    findings=_findings(number, state),
                    unresolved=_refusals(number, state),
                )
            )
    detection = {slug: tuple(made) for slug, made in checks.items()}
    bug = Unresolved(path=PurePosixPath("a"), reason=Reason.OURS, detail="bug, see the log")
    unreadable = Unresolved(path=PurePosixPath("h.sh"), reason=Reason.UNREADABLE, detail="denied")
    is_hidden = any(state.hidden for state in mixture.values())
    left = {
        slug: tuple(
            Unresolved(path=item.path, reason=Reason.DRIFTED, detail="moved on")
            for number, state in mixture.items()
            if state.left and _gap_of(number).slug == slug
            for item in _findings(number, state)
        )
        for slug in checks
    }
    case = evaluate.Case(
        tree_digest=TREE,
        detection=detection,
        evidence=(
            *(item for number, state in mixture.items() for item in _evidence(number, state)),
            *detector_evidence.static_evidence(detection, detection, TREE, NOW),
        ),
        unresolved=left,
        waivers={number: _waiver(number) for number, state in mixture.items() if state.waived},
        unreadable=(unreadable,) if is_hidden else (),
        stopped={number: (bug,) for number, state in mixture.items() if state.ours},
        absent={
            number: Absence(
                because="the tree has no broker",
                questions=(_ANYTHING,) if state.hidden else (),
            )
            for number, state in mixture.items()
            if state.absent
        },
        asked=frozenset(number for number, state in mixture.items() if not state.unasked),
    )
    asked = [criterion(number, state.means) for number, state in mixture.items()]
    whole = order(*asked, criterion("D.1", rests_on=NUMBERS))
    found = tuple(item for number, state in mixture.items() for item in _findings(number, state))
    places = {gap.slug: sum(item.gap == gap.slug for item in found) for gap in (TOY, OTHER)}
    return Report(
        work_order=replace(whole, source_sha256=TREE),
        gaps=(TOY, OTHER),
        root="farmiq",
        tree_digest=TREE,
        run_id="a-run",
        rulings=evaluate.judge(whole, case),
        before=places,
        after=places,
        unnamed_before=dict.fromkeys(places, 0),
        unresolved=left,
        findings=found,
        unreadable=case.unreadable,
        bugs=("bug, see the log",) if any(item.ours for item in mixture.values()) else (),
    )


_ANYTHING = FileQuestion(suffixes=frozenset(), concerns=lambda _: True, holds=lambda _: True, bit=0)


def _evidence(number: str, state: State) -> list[Evidence]:
    return [evidence(number, **{"tree_digest": TREE, **item}) for item in state.seen]


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence, the mixture that it is told of, and its criterion where it is about one."""

    text: str
    mixture: Mixture
    number: str = ""

    @property
    def states(self) -> Sequence[State]:
        """Return how everything stands that the sentence is about."""
        return (self.mixture[self.number],) if self.number else tuple(self.mixture.values())


def _told(mixture: Mixture) -> Iterator[Told]:
    """Yield every sentence that reports and claims make of a mixture."""
    report = _report(mixture)
    for ruling in report.rulings:
        number = ruling.criterion.id if ruling.criterion.id in mixture else ""
        yield Told(ruling.because, mixture, number)
        for item in ruling.evidence:
            yield Told(f"{item.expected}; {item.observed}", mixture, number)
    made = to_json(report)
    boxes = "\n".join(f"- [x] {item.criterion.id} {item.criterion.text}" for item in report.rulings)
    claimed = f"# Report\n{boxes}\n- [x] everything\nCreated: `here/a.ts` and `there/b.ts`\n"
    tree = MemoryTree({"here/a.ts": b""})
    reading = claims.judge("done.md", claimed, report.work_order, report.rulings, tree)
    report = replace(report, claims=tuple(item.row for item in reading.claims))
    texts = [
        markdown.to_markdown(report),
        claims.told(reading),
        terminal.to_terminal(report, whole=True),
        terminal.to_terminal(report, (TOY,)),
        terminal.summary(report),
        github.summary({"report": made}, None),
        junit.render(made).decode().replace("<testcase", "\n<testcase"),
    ]
    for text in texts:
        number = ""
        for line in text.splitlines():
            about = _ABOUT.match(line)
            # What belongs to a claim stands below it, deeper.
            number = about[1] if about else number if line.startswith("      ") else ""
            yield Told(line, mixture, number)
    if mixture["1.1"] is mixture["1.2"] is mixture["2.1"]:
        plain = re.sub(r"(?s)<(style|script).*?</\1>|<[^>]+>", "\n", page.render(made, ()).decode())
        for line in html.unescape(plain).splitlines():
            yield Told(line, mixture, NUMBERS[0])


_ABOUT = re.compile(
    r"(?:\| (?:line \d+: )?| +line \d+: |  |<testcase classname=.closeout\.)(\d\.\d)\b"
)
"""How a line begins that is about one criterion, or about several that stand alike."""


def _waiver(number: str) -> Waiver:
    day = date(2026, 1, 1)
    return Waiver(subject=number, who="Mali", when=day, why="later", until=date(2026, 3, 1))


def _closed(told: Told, _: re.Match[str]) -> bool:
    return told.mixture[told.number].is_closed if told.number else False


def _all_closed(told: Told, _: re.Match[str]) -> bool:
    return all(state.is_closed for state in told.mixture.values())


def _named_closed(told: Told, found: re.Match[str]) -> bool:
    return all(told.mixture[number].is_closed for number in re.findall(r"\d\.\d", found[0]))


def _nothing_found(told: Told, _: re.Match[str]) -> bool:
    return not any(
        state.named or state.unnamed or state.ours or False in state.answers
        for state in told.mixture.values()
    )


def _no_other_found(told: Told, found: re.Match[str]) -> bool:
    state = told.mixture[OTHER.criteria[0]]
    is_met_not = state.ours or False in state.answers or (state.unjudged and not state.answers)
    return not (state.named or state.unnamed) and (not is_met_not or "not met" in found[0])


def _none_named_open(told: Told, found: re.Match[str]) -> bool:
    state = told.mixture[told.number]
    judged = (
        f"{state.refused} not judged" in found[0] if state.refused else "judged" not in found[0]
    )
    return not state.named and judged


def _counted_closed(told: Told, found: re.Match[str]) -> bool:
    return int(found[1]) == sum(state.is_closed for state in told.mixture.values())


def _held_claims(told: Told, found: re.Match[str]) -> bool:
    states = told.mixture.values()
    closed = sum(state.is_closed for state in states)
    settled = all(state.is_closed or (state.absent and not state.hidden) for state in states)
    # D.1 rests on the others, and one of the two files is there.
    return int(found[1]) == closed + (settled and closed > 0) + 1


def _verdict(told: Told, _: re.Match[str]) -> bool:
    """Return whether the criterion, the gap or everything that a row is about is closed."""
    if told.number:
        return told.mixture[told.number].is_closed
    gap = re.match(r"(?: |\| )([12])\b", told.text)
    numbers = NUMBERS if gap is None else (TOY, OTHER)[int(gap[1]) - 1].criteria
    return all(told.mixture[item].is_closed or told.mixture[item].absent for item in numbers)


def _nothing_left(told: Told, _: re.Match[str]) -> bool:
    return all(
        state.is_closed or (state.absent and not state.hidden) for state in told.mixture.values()
    )


def _only_accepted_left(told: Told, _: re.Match[str]) -> bool:
    return all(
        state.is_closed or state.waived or (state.absent and not state.hidden)
        for state in told.mixture.values()
    )


def _guard(told: Told, _: re.Match[str]) -> bool:
    return all(item.get("before") for item in told.mixture[told.number].seen)


def _unproven(told: Told, _: re.Match[str]) -> bool:
    return not told.mixture[told.number].is_closed


def _anything(_: Told, __: re.Match[str]) -> bool:
    return True


SHAPES: tuple[tuple[str, Callable[[Told, re.Match[str]], bool]], ...] = (
    (
        r"(?i)not done: (?:1 of \d+ criteria is|\d+ of \d+ criteria are) not met",
        lambda told, _: not _all_closed(told, _),
    ),
    (r"(?i)done: all \d+ criteria are closed", _all_closed),
    (r"(?i)done: (\d+) of \d+ criteria closed, .*(?:accepted|not applicable)", _counted_closed),
    (r"(?i)nothing found open, \d+ of \d+ criteria not proven yet", _nothing_found),
    (r"\d+ of \d+ criteria not proven yet", lambda told, _: not _all_closed(told, _)),
    (r"not proven yet", _unproven),
    (r"what was proven is stale", _unproven),
    (r"all of (\d\.\d(, )?)+ are closed", _named_closed),
    (r"\d+ checks? holds?, \d+ of them red before the fix", _closed),
    (r"of the places that the order names none is .*; of others", _none_named_open),
    (r"no place found open(, \d+ criteri(on|a) not met)?$", _no_other_found),
    (r"\b(\d+) held\b", _held_claims),
    (r"every probe was green before the fix too, so none of them proves it", _guard),
    (r"(\d+) CLOSED", _counted_closed),
    (r"CLOSED \((\d+)\)", _counted_closed),
    (r"\bCLOSED\b", _verdict),
    (r"Nothing( is left)?\.$", _nothing_left),
    (r"Nothing( is left)? but what is accepted", _only_accepted_left),
    # What names a column, a command, a verdict or a mark, or says what is asked for.
    (r"\| criterion \| verdict \| because \| proven by \|", _anything),
    (r"no place is open, and at least one was examined", _anything),
    (r"none of that name", _anything),
    (r"no box, criterion or issue of the order can be told from this line", _anything),
    (r"invoke detect\.all|claims of done\.md|Definition of done", _anything),
    (r"Every criterion, and how it is known|Nothing was measured on this tree", _anything),
    (r"Every diff also lies in|Each departure with what was measured|^all$", _anything),
    (r"A: every probe that ran holds|\?: none was asked|Print everything", _anything),
)


def _false(told: Told) -> list[str]:
    """Return the claims of a sentence that are of no known shape, or not true."""
    left = told.text
    wrong: list[str] = []
    for pattern, is_true in SHAPES:
        wrong += [
            found[0]
            for found in re.finditer(pattern, left)
            if CLAIM.search(found[0]) and not is_true(told, found)
        ]
        left = re.sub(pattern, "", left)
    return [*wrong, *(f"unknown: {found[0]}" for found in CLAIM.finditer(left))]


@pytest.fixture(scope="module")
def sentences() -> Iterator[tuple[Told, ...]]:
    """Return every sentence that claims something, of every mixture; no line of it is broken."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal, "wrapped", lambda head, text: [head + text])
        yield tuple(
            told for mixture in _mixtures() for told in _told(mixture) if CLAIM.search(told.text)
        )


def test_no_sentence_claims_what_was_not_judged(sentences: tuple[Told, ...]) -> None:
    """Each is read against the mixture that it is told of; a new kind of it has to be known."""
    wrong = {
        (fault, told.text.strip(), *(f"{key} {item.name}" for key, item in told.mixture.items()))
        for told in sentences
        for fault in _false(told)
    }
    assert sorted(wrong)[:20] == []


MODULES = ("engine/evaluate", "engine/grounds", "engine/detector_evidence", "workorders/claims")
_PACKAGE = Path(closeout.__file__).parent
_NO_SENTENCE = {
    "claims-none": "an error's name",
    "the file ticks no box of {} ({} ticked in all).": "refuses a document, and rules nothing",
    "it is no Ed25519 key": "of a signing key",
    "no file": "of a bundle's digests",
    "{}: a signature is asked for and there is none": "of a bundle's signature",
    "all": "names the column of a probe without a service",
    "closed": "a key of the page's template",
    "holds": "a key of the page's template",
    "none": "a level of SARIF",
    "nothing": "an empty side of a diff",
    "all of it": "names the row of a probe without a service",
    "Close it by: invoke fix.{}. See {}.": "help on a rule",
}
"""What holds such a word and claims nothing of a tree, and why."""


def _templates() -> Iterator[tuple[str, str]]:
    """Yield every text of the modules that holds a word of claiming, its values as `{}`."""
    files = [_PACKAGE / f"{name}.py" for name in MODULES]
    for file in (*files, *sorted((_PACKAGE / "reporting").glob("*.py"))):
        nodes = list(ast.walk(ast.parse(file.read_text())))
        told = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        parts = {
            id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values
        }
        patterns = {
            id(part)
            for node in nodes
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "re.compile"
            for part in node.args
        }
        for node in nodes:
            if id(node) in told | parts | patterns:
                continue
            text = _template(node)
            if CLAIM.search(text):
                yield file.name, text


def _template(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
        )
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return str(node.value) if is_text else ""


def test_every_template_of_a_claim_is_told_by_a_mixture(sentences: tuple[Told, ...]) -> None:
    """None is left out of the reading above, unless it is said why it claims nothing."""
    texts = "\n".join(dict.fromkeys(told.text for told in sentences))
    left = [
        (name, text)
        for name, text in _templates()
        if text not in _NO_SENTENCE
        and not re.search(".*".join(map(re.escape, text.split("{}"))), texts, re.IGNORECASE)
    ]
    assert "\n".join(f"{name}: {text}" for name, text in left) == ""
