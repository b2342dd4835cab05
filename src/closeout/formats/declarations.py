"""Read closeout.toml: what a monorepo says of itself, held to the schema that is published."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Annotated, Any

from msgspec import Meta, Struct

from closeout.console.nearest import nearest
from closeout.errors import CloseoutError
from closeout.fs import codec
from closeout.model import Tree

FILE = "closeout.toml"

_Word = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]*[a-z0-9]$")]
_Bucket = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$")]
_Image = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9./:_-]*$")]
_Zone = Annotated[str, Meta(pattern="^[A-Za-z_+-]+(/[A-Za-z0-9_+-]+)*$")]
_Count = Annotated[int, Meta(ge=1)]
_Seconds = Annotated[float, Meta(gt=0, le=86_400)]
_Origin = Annotated[str, Meta(pattern=r"^https?://[A-Za-z0-9.\[\]:-]+$")]


class OwnNames(Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """What the tree calls its own, where its files do not say it; empty where nobody does."""

    project: Annotated[
        _Word | None, Meta(description="What names of accounts, buckets and keys start with.")
    ] = None
    namespace: Annotated[_Word | None, Meta(description="The namespace of the workloads.")] = None
    bucket: Annotated[
        _Bucket | None, Meta(description="The bucket that backups go to, without gs://.")
    ] = None
    image: Annotated[
        _Image | None,
        Meta(description="Where the backup images are pulled from: registry.example/shop."),
    ] = None
    time_zone: Annotated[_Zone | None, Meta(description="Of the nightly jobs.")] = None
    origins: Annotated[
        tuple[_Origin, ...],
        Meta(description="Pages that services trust on a developer's machine."),
    ] = ()


class LaunchSettings(Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """How services are booted for probes; a command's own options go before."""

    workers: Annotated[_Count | None, Meta(description="How many services boot at a time.")] = None
    deadline: Annotated[
        _Seconds | None, Meta(description="Seconds that each may take on a quiet machine.")
    ] = None


def names(tree: Tree) -> OwnNames:
    """Return the names that closeout.toml gives."""
    return codec.convert(OwnNames, declarations(tree).get("names", {}))


def launch(tree: Tree) -> LaunchSettings:
    """Return the settings of launching that closeout.toml gives."""
    return codec.convert(LaunchSettings, declarations(tree).get("launch", {}))


def asked_gaps(tree: Tree) -> frozenset[str] | None:
    """Return the slugs of the gaps that closeout.toml asks for, None where it asks for all."""
    given = declarations(tree).get("gaps")
    return None if given is None else frozenset(given)


def is_declared_own(tree: Tree) -> bool | None:
    """Return whether closeout.toml says that the tree is the order's own; None if it is silent."""
    said: bool | None = declarations(tree).get("is-orders-own")
    return said


def declarations(tree: Tree) -> Mapping[str, Any]:
    """Return what closeout.toml declares, held to its schema; nothing where there is none.

    Raises CloseoutError("declaration-unusable") for a file that its schema refuses.
    """
    content = tree.read(FILE)
    return {} if content is None else _read(content)


def unusable(what: str) -> CloseoutError:
    """Return the error that a closeout.toml asks for which cannot be used."""
    return CloseoutError(
        "declaration-unusable",
        f"{FILE}: {what}",
        hint="correct the entry; schemas/closeout.schema.json describes each.",
    )


@lru_cache(maxsize=8)
def _read(content: bytes) -> Mapping[str, Any]:
    try:
        read = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unusable(str(error)) from error
    import jsonschema  # noqa: PLC0415 - heavy

    schema = resources.files("closeout").joinpath("formats", "schemas", "closeout.schema.json")
    validator = jsonschema.Draft202012Validator(json.loads(schema.read_text("utf-8")))
    for problem in validator.iter_errors(read):
        place = ".".join(map(str, problem.absolute_path))
        told = _unknown(problem) or problem.message
        raise unusable(f"{place}: {told}" if place else told)
    return read


def _unknown(problem: Any) -> str:  # noqa: ANN401 - jsonschema is untyped
    """Return which key is not known and which one may be meant, empty for another problem."""
    if problem.validator != "additionalProperties":
        return ""
    known = sorted(problem.schema.get("properties", ()))
    extra = next(key for key in problem.instance if key not in known)
    near = nearest(extra, known)
    return f"there is no key {extra!r}; the nearest one is {near!r}" if near else ""
