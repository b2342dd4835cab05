"""Choose the YAML parser: libyaml's where PyYAML was built with it, a dozen times faster."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

_MOST_COMPOSED = 4
"""Files whose nodes are kept, should somebody ask for a line."""
_MOST_WORDS, _LONGEST_WORD = 4096, 64
"""Words of documents whose tag is kept, and their characters: they are written again and again."""
_MOST_NODES = 200_000
"""Nodes of a document with its aliases followed; the largest real manifest has a tenth of it."""


_MOST_ENTRIES = 100_000
"""Lines and commas of a file: each may be a node, and a node takes a kilobyte."""

_MERGE = b"<<"

_ODD_TAGS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""What PyYAML's constructors raise where a value is not what its tag says."""


@cache
def safe_loader() -> Any:  # noqa: ANN401 - PyYAML ships no types
    """Return the class that reads plain data only; its marks count characters either way.

    A node's tag depends on no path, so no step down or up is looked at, and a word's tag is found
    once.
    """
    import yaml  # noqa: PLC0415 - slow to import, and many runs never ask for it

    fastest = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    anew = fastest("").resolve
    kept = lru_cache(maxsize=_MOST_WORDS)(anew)

    def resolve(kind: Any, value: str | None, implicit: Any) -> Any:  # noqa: ANN401 - as above
        is_word = value is None or len(value) <= _LONGEST_WORD
        return (kept if is_word else anew)(kind, value, implicit)

    steps = dict.fromkeys(("descend_resolver", "ascend_resolver"), lambda *_: None)
    return type("SafeLoader", (fastest,), {"resolve": staticmethod(resolve), **steps})


@cache
def structure_loader() -> Any:  # noqa: ANN401 - as above
    """Return the class for who asks for places and words alone: its nodes have no tags."""
    return type("StructureLoader", (safe_loader(),), {"resolve": staticmethod(lambda *_: "")})


def loader_of(content: bytes) -> Any:  # noqa: ANN401 - as above
    """Return a loader of `content`, its odd characters replaced.

    Raises yaml.YAMLError for more than anybody writes by hand.
    """
    refuse_large(content)
    return safe_loader()(content.decode("utf-8-sig", "replace"))


def refuse_large(content: bytes) -> None:
    """Raise yaml.YAMLError where a file holds more than is read."""
    import yaml  # noqa: PLC0415 - as above

    if content.count(b"\n") + content.count(b",") > _MOST_ENTRIES:
        told = f"more than {_MOST_ENTRIES:,} entries, too large to be read"
        raise yaml.MarkedYAMLError(problem=told)


def constructed(loader: Any, node: Any) -> Any:  # noqa: ANN401 - as above
    """Return the value of `node`; raises yaml.YAMLError where a tag does not fit its value."""
    import yaml  # noqa: PLC0415 - as above

    try:
        return loader.construct_document(node)
    except _ODD_TAGS as error:
        told = f"a value that is not what its tag says: {error}"
        raise yaml.MarkedYAMLError(problem=told, problem_mark=node.start_mark) from error


def bounded(top: Any, content: bytes) -> Any:  # noqa: ANN401 - PyYAML ships no types
    """Return a node of `content`; raises yaml.YAMLError where its aliases blow it up, or never end.

    A document of a few lines can stand for more values than there are atoms, and every reader
    that follows its aliases would follow them all.
    """
    if b"*" in content or len(content) > _MOST_NODES:  # else no node is there twice
        _measure(top, endless=_MOST_NODES)
    return top


def _measure(top: Any, *, endless: int) -> None:  # noqa: ANN401 - as above
    """Refuse what is too large; `endless` is what a node counts that contains itself."""
    import yaml  # noqa: PLC0415 - as above

    sizes: dict[int, int] = {}
    entered: set[int] = set()
    waiting = [(top, False)]
    while waiting:
        node, seen = waiting.pop()
        parts = _parts(node)
        if seen:
            sizes[id(node)] = 1 + sum(sizes.get(id(part), endless) for part in parts)
            if sizes[id(node)] > _MOST_NODES:
                mark = node.start_mark
                raise yaml.MarkedYAMLError(problem="aliases without end", problem_mark=mark)
        elif id(node) not in entered:
            entered.add(id(node))
            waiting.append((node, True))
            waiting += [(part, False) for part in parts if id(part) not in entered]


@lru_cache(maxsize=_MOST_COMPOSED)
def composed(content: bytes) -> tuple[tuple[Any, Any], ...]:
    """Return value and node of every document, empty ones left out; raises yaml.YAMLError.

    The nodes of few files are kept: they take ten times as much as the values.
    """
    import yaml  # noqa: PLC0415 - as above

    loader = loader_of(content)
    found = []
    try:
        while loader.check_node():
            node = bounded(loader.get_node(), content)
            value = constructed(loader, node)
            if value is not None:
                found.append((value, node))
    except (ValueError, RecursionError) as error:
        raise yaml.YAMLError(str(error)) from error
    finally:
        loader.dispose()
    return tuple(found)


def plain(content: bytes) -> Any:  # noqa: ANN401 - as above
    """Return the value of the first document, None for an empty file; raises yaml.YAMLError.

    A value may contain itself, and hold one part many times: look at each part once. What merge
    keys blow up while it is read is refused.
    """
    loader = loader_of(content)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _MERGE in content:
            _measure(node, endless=0)
        return constructed(loader, node)
    finally:
        loader.dispose()


def _parts(node: Any) -> list[Any]:  # noqa: ANN401 - as above
    if isinstance(node.value, str):
        return []
    return [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
