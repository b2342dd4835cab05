"""Properties that hold for any bytes, tried on those that hypothesis thinks of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from pathlib import PurePosixPath
from typing import Any

import pytest

from closeout.formats import npm
from closeout.fs import codec, patching, text_edit
from closeout.fs.text_edit import Splice
from closeout.fs.tree import MemoryTree
from closeout.model import Edit, Means, Measure
from closeout.model.verdicts import Evidence
from closeout.parsing import syntax
from closeout.runs import evidence_store

hypothesis = pytest.importorskip(
    "hypothesis", reason="requirements/validators.txt is not installed"
)
st = hypothesis.strategies

QUICK = hypothesis.settings(max_examples=60, deadline=None, derandomize=True, database=None)
"""The same examples in every run: a test that fails fails for everybody."""

FINITE = st.floats(allow_nan=False, allow_infinity=False)
LINES = st.lists(
    st.sampled_from(
        [b"a", b"b", b"  c", b"\t", b"", b"d  ", b"-- x", b"+++ y", b"@@ -1 +1 @@", b"\\"]
    ),
    max_size=12,
)
ENDING = st.sampled_from([b"\n", b"\r\n"])
TEXTS = st.builds(
    lambda lines, ending, last: ending.join(lines) + last,
    LINES,
    ENDING,
    st.sampled_from([b"", b"\n", b"\r\n"]),
)
EVIDENCE = st.builds(
    Evidence,
    probe=st.text(),
    criterion=st.text(),
    passed=st.none() | st.booleans(),
    before=st.none() | st.booleans(),
    expected=st.text(),
    observed=st.text(min_size=1),
    command=st.text(min_size=1),
    tree_digest=st.text(),
    at=st.datetimes(timezones=st.just(UTC)),
    seconds=st.integers(0, 10**6).map(float),
    means=st.sampled_from(Means),
    measures=st.lists(
        st.builds(
            Measure,
            name=st.text(min_size=1),
            value=FINITE,
            unit=st.text(),
            floor=st.none() | FINITE,
        ),
        max_size=3,
    ).map(tuple),
    bug=st.text(),
)


def _json_of(floats: Any) -> Any:  # noqa: ANN401 - strategies are untyped here
    scalars = st.none() | st.booleans() | st.integers() | floats | st.text()
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    )


@QUICK
@hypothesis.given(TEXTS, TEXTS)
def test_any_edit_survives_its_diff(before: bytes, after: bytes) -> None:
    """A diff gives the bytes that it was made from, whatever lines look like diff's own."""
    hypothesis.assume(before != after and after)
    edit = Edit(path=PurePosixPath("a.txt"), before=before, after=after)
    patch = patching.read_patch("toy", "01-a.patch", patching.diff([edit]), "derived")
    assert [item.after for item in patching.stage(MemoryTree({"a.txt": before}), patch)] == [after]


@hypothesis.settings(QUICK, max_examples=300)
@hypothesis.given(EVIDENCE)
def test_any_evidence_survives_its_json(item: Evidence) -> None:
    """What is read is what was written, in whatever language a service answered."""
    content = json.dumps({"session": "x", "evidence": evidence_store.to_json([item])}).encode()
    assert codec.decode(evidence_store.EvidenceFile, content).evidence == (item,)


@hypothesis.settings(QUICK, max_examples=300)
@hypothesis.given(_json_of(st.floats()))
def test_any_json_is_evidence_or_refused(document: Any) -> None:  # noqa: ANN401 - JSON
    """A file that somebody spoiled is one kind of error."""
    for content in (document, {"session": "x", "evidence": [document]}):
        try:
            codec.decode(evidence_store.EvidenceFile, json.dumps(content).encode())
        except ValueError:
            continue


@hypothesis.settings(QUICK, max_examples=300)
@hypothesis.given(st.binary(max_size=80), st.data())
def test_splices_touch_no_other_byte(content: bytes, data: Any) -> None:  # noqa: ANN401 - hypothesis'
    """What stands between the splices stays, in its order."""
    places = sorted(data.draw(st.lists(st.integers(0, len(content)), min_size=2, max_size=8)))
    pairs = list(zip(places[::2], places[1::2], strict=False))
    made = text_edit.splice(content, [Splice(start=a, end=b, text="\x00mark") for a, b in pairs])
    edges = [0, *(place for pair in pairs for place in pair), len(content)]
    kept = [content[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]
    assert made == b"\x00mark".join(kept)


@pytest.mark.parametrize("suffix", [".py", ".ts", ".yml", ".json", ".toml", ".sql"])
@hypothesis.settings(QUICK, max_examples=200)
@hypothesis.given(content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_parse_or_are_told_to_be_broken(suffix: str, content: bytes) -> None:
    """No bytes of a file end the look at it."""
    found = syntax.trouble(PurePosixPath(f"a{suffix}"), content)
    assert found is None or found.line >= 1


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
VERSIONS = st.dictionaries(NAMES, st.just("1.0.0"), max_size=4)


@hypothesis.settings(QUICK, max_examples=200)
@hypothesis.given(
    VERSIONS,
    st.dictionaries(NAMES, _json_of(FINITE), max_size=4),
    st.sampled_from([None, 1, 2, "\t"]),
)
def test_a_dependency_is_added_and_all_else_stays(
    listed: Mapping[str, str], other: Mapping[str, Any], indent: int | str | None
) -> None:
    """A manifest of any shape keeps its other members, and nothing is added twice."""
    content = json.dumps({**other, "dependencies": listed}, indent=indent)
    tree = MemoryTree({"s/package.json": content.encode()})
    wanted = npm.Dependencies(
        versions={"helmet": "8.0.0"}, packages={"helmet": {"version": "8.0.0"}}
    )
    edits, refused = npm.add(tree, PurePosixPath("s"), wanted)
    assert refused == ()
    if "helmet" in listed:
        assert edits == ()
        return
    after = json.loads(edits[0].after)
    assert after.pop("dependencies") == {**listed, "helmet": "8.0.0"}
    assert after == {
        key: value for key, value in json.loads(content).items() if key != "dependencies"
    }
