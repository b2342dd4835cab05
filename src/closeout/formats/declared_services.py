"""Hold what closeout.toml says of services against what reading the code finds of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

from closeout.formats.declarations import FILE, declarations
from closeout.fs.safe_open import clean_path
from closeout.model import Reason, Tree, Unresolved
from closeout.parsing import fastapi


def is_any_declared(tree: Tree, *kinds: str) -> bool:
    """Return whether closeout.toml says of some service that it is of one of the kinds."""
    return any(entry.get("kind") in kinds for entry in declarations(tree).get("service", ()))


def undetected(*probes: str) -> Callable[[Tree], tuple[Unresolved, ...]]:
    """Return what finds the declared FastAPI services in whose code no application is found.

    What no rule can judge there, the `probes` of these names ask the running service.
    """

    def found(tree: Tree) -> tuple[Unresolved, ...]:
        entries = [
            entry
            for entry in declarations(tree).get("service", ())
            if entry.get("kind") == "fastapi" and "folder" in entry
        ]
        services = fastapi.services(tree) if entries else ()
        made = [path for service in services for path, _ in service.apps]
        return tuple(
            Unresolved(
                path=PurePosixPath(FILE),
                reason=Reason.AMBIGUOUS,
                detail=f"declares the FastAPI service {entry['name']}, and its code makes no "
                "application that is found",
                hint="mend it by hand where its application is made; the live probes judge it.",
                probes=tuple(f"{probe}@{entry['name']}" for probe in probes),
            )
            for entry in entries
            if not any(path.is_relative_to(clean_path(entry["folder"])) for path in made)
        )

    return found
