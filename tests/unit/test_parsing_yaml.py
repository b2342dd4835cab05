"""YAML anchors: byte offsets, insertion points, and clear errors."""

from __future__ import annotations

import tracemalloc

import pytest

from closeout.fs.text_edit import splice
from closeout.parsing.yaml import NodeKind, YamlError, append, documents, find
from closeout.parsing.yaml_loader import composed

COMPOSE = """\
# Grüße aus dem Stall
services:
  broker:
    image: "eclipse-mosquitto:2"  # pinned
    ports:
      - "5100:1883"   # plain
    environment: {A: 1}
    labels: []

  # the next one
  api:
    image: x
""".encode()


def test_find_returns_bytes_when_characters_before_it_are_wide() -> None:
    """Marks count characters; offsets must count bytes."""
    node = find(COMPOSE, "services", "broker", "image")
    assert node is not None
    assert COMPOSE[node.start : node.end] == b'"eclipse-mosquitto:2"'
    assert (node.text, node.kind, node.line) == ("eclipse-mosquitto:2", NodeKind.SCALAR, 4)


def test_find_returns_none_when_a_key_is_absent() -> None:
    """An absent key, a key below a scalar and an empty file are all None."""
    assert find(COMPOSE, "services", "nothing") is None
    assert find(COMPOSE, "services", "api", "image", "deeper") is None
    assert find(b"# only a comment\n", "services") is None


def test_append_adds_an_item_when_the_sequence_is_a_block() -> None:
    """The new item stands after the last one, comment and all."""
    node = find(COMPOSE, "services", "broker", "ports")
    assert node is not None
    text = splice(COMPOSE, [append(COMPOSE, node).splice('- "5101:8883"')])
    assert b'      - "5100:1883"   # plain\n      - "5101:8883"\n    environment' in text


def test_append_adds_a_key_when_blank_lines_and_comments_follow() -> None:
    """A block mapping ends at its last value, not at the next key."""
    node = find(COMPOSE, "services", "broker")
    assert node is not None
    text = splice(COMPOSE, [append(COMPOSE, node).splice("user: a\ncap_drop:\n  - ALL")])
    assert b"    labels: []\n    user: a\n    cap_drop:\n      - ALL\n\n  # the next" in text


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [("environment", "B: 2", b"{A: 1, B: 2}"), ("labels", "x", b"labels: [x]")],
)
def test_append_stays_inside_brackets_when_the_collection_is_flow(
    key: str, text: str, expected: bytes
) -> None:
    """A collection in brackets grows inside them."""
    node = find(COMPOSE, "services", "broker", key)
    assert node is not None
    assert expected in splice(COMPOSE, [append(COMPOSE, node).splice(text)])


def test_append_keeps_the_last_line_open_when_the_file_has_no_final_newline() -> None:
    """The file had no final newline and gets none."""
    content = b"a:\n- one\n- two"
    node = find(content, "a")
    assert node is not None
    assert splice(content, [append(content, node).splice("- new")]) == (b"a:\n- one\n- two\n- new")


def test_append_writes_crlf_when_the_file_does() -> None:
    """The line ending at the place decides."""
    content = b"a:\r\n  b: 1\r\n"
    node = find(content, "a")
    assert node is not None
    assert splice(content, [append(content, node).splice("c: 2")]) == b"a:\r\n  b: 1\r\n  c: 2\r\n"


def test_append_stands_after_the_text_when_the_last_value_is_a_block_scalar() -> None:
    """A literal block ends with its last line."""
    content = b"data:\n  conf: |\n    one\n    two\n\nkind: X\n"
    node = find(content, "data")
    assert node is not None
    assert splice(content, [append(content, node).splice("more: 1")]) == (
        b"data:\n  conf: |\n    one\n    two\n  more: 1\n\nkind: X\n"
    )


def test_append_refuses_when_the_value_is_an_alias_or_a_scalar() -> None:
    """Editing an alias would change another service."""
    content = b"x: &d\n  a: 1\ny: *d\n"
    aliased, scalar = find(content, "y"), find(content, "x", "a")
    assert aliased is not None
    assert scalar is not None
    assert aliased.alias
    with pytest.raises(ValueError, match="nothing can be inserted"):
        append(content, aliased)
    with pytest.raises(ValueError, match="nothing can be inserted"):
        append(content, scalar)


def test_documents_returns_each_when_a_file_holds_several() -> None:
    """Kubernetes files hold several documents; empty ones are dropped."""
    tops = documents(b"kind: A\n---\n---\nkind: B\n")
    assert [top.get("kind").text for top in tops if top.get("kind")] == ["A", "B"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a: 1\nb: [1, 2\nc: 3\n", 3),
        (b"a: 1\n\tb: 2\n", 2),
        (b"a: 1\nb: \xff\n", 2),
        (b"a: 1\nb: \x07\n", 2),
        (b"a: &x\n  - *x\n", 1),
        (b"[" * 5000, 1),
    ],
)
def test_documents_names_the_line_when_the_content_is_not_yaml(content: bytes, line: int) -> None:
    """Broken, mis-encoded, self-containing and absurdly nested content all end the same way."""
    with pytest.raises(YamlError) as caught:
        documents(content)
    assert caught.value.line == line


def test_documents_stays_small_when_aliases_multiply() -> None:
    """Nine levels of nine aliases are nine nodes, not 387 million."""
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 10)]
    (top,) = documents("\n".join(lines).encode())
    assert len(top.entries) == 10


def test_long_texts_are_not_kept_for_their_tags() -> None:
    """Words are written again and again; a block of text is not, and there is no end of it."""
    composed.cache_clear()
    tracemalloc.start()
    for number in range(100):
        composed(b"notes: '%d %s'\n" % (number, b"x" * 100_000))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 3_000_000
