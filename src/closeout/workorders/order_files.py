"""Read work orders as data: each checkbox by digest, with the rules, probes and gates it needs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from closeout.errors import CloseoutError
from closeout.formats.declarations import declarations
from closeout.fs import codec
from closeout.model import Criterion, Means, Text, Tree, WorkOrder

SHIPPED = Path(__file__).parent / "orders"

_Sha = Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")]
_Slug = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]*$")]
_Tie = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]*/[a-z0-9.*-]+$")]


class Checkbox(Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """One checkbox of a work order."""

    id: Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9.-]*$")]
    line: Annotated[
        _Sha, Meta(description="The SHA-256 of its line, trimmed and with an empty box.")
    ] = ""
    text: Annotated[Text, Meta(description="What it asks for, in words of one's own.")]
    means: Annotated[Means, Meta(description="What can settle it.")]
    settled_by: Annotated[
        str, Meta(description="The command that settles it; its parts' own where it rests on them.")
    ] = ""
    rules: Annotated[tuple[_Tie, ...], Meta(description="GAP/RULE; `*` stands for any.")] = ()
    probes: Annotated[
        tuple[Text, ...], Meta(description="Ids of probes, without service; `*` stands for any.")
    ] = ()
    gates: Annotated[tuple[Text, ...], Meta(description="Names of the gates that run for it.")] = ()
    rests_on: Annotated[
        tuple[Text, ...], Meta(description="Ids of the checkboxes whose worst verdict is its own.")
    ] = ()


class OrderFile(Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """A work order."""

    id: Text
    title: Text
    source: Annotated[_Sha, Meta(description="The SHA-256 of the order's own file.")] = ""
    issues: Annotated[
        Mapping[_Slug, int], Meta(description="The number of each gap's issue, in their sequence.")
    ] = {}
    criterion: Annotated[tuple[Checkbox, ...], Meta(min_length=1)]


def read(content: bytes, name: str) -> WorkOrder:
    """Return the order that a TOML file holds; raises CloseoutError("order-unusable")."""
    try:
        held = codec.convert(OrderFile, tomllib.loads(content.decode()))
        return _order(held)
    except (ValueError, RecursionError) as error:
        raise unusable(name, str(error)) from error


def unusable(name: str, what: str) -> CloseoutError:
    """Return the error that an order asks for which cannot be used."""
    return CloseoutError(
        "order-unusable",
        f"{name}: {what}",
        hint="correct the entry; schemas/order.schema.json describes each.",
    )


def shipped(name: str) -> WorkOrder:
    """Return an order that comes with this project, by its file's name."""
    return read((SHIPPED / name).read_bytes(), name)


def own(tree: Tree) -> WorkOrder | None:
    """Return the order that closeout.toml names, None where it names none."""
    name = declarations(tree).get("order")
    if name is None:
        return None
    content = tree.read(name)
    if content is None:
        raise unusable(name, "closeout.toml names it as the order, and it cannot be read")
    return read(content, name)


def _order(held: OrderFile) -> WorkOrder:
    seen: set[str] = set()
    for box in held.criterion:
        if box.id in seen:
            message = f"two checkboxes are called {box.id}"
            raise ValueError(message)
        if lost := [each for each in box.rests_on if each not in seen]:
            message = f"{box.id} rests on {lost[0]}, which does not stand before it"
            raise ValueError(message)
        if not box.settled_by and not box.rests_on:
            message = f"{box.id} names nothing that settles it"
            raise ValueError(message)
        seen.add(box.id)
    return WorkOrder(
        id=held.id,
        title=held.title,
        source_sha256=held.source or "0" * 64,
        criteria=tuple(
            Criterion(
                id=box.id,
                text=box.text,
                source_digest=box.line,
                means=box.means,
                settled_by=box.settled_by or f"what settles {', '.join(box.rests_on)}",
                rests_on=box.rests_on,
                rules=box.rules,
                probes=box.probes,
                gates=box.gates,
            )
            for box in held.criterion
        ),
        issues={number: slug for slug, number in held.issues.items()},
    )
