"""Render one overlay an environment over the folder that describes production."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.gaps.external_secrets.declared import Declared
from closeout.gaps.external_secrets.settings import (
    ENVIRONMENTS,
    Environment,
    Settings,
    google_account,
)
from closeout.gaps.external_secrets.target import OVERLAYS
from closeout.resources import render

_TEMPLATE = "external-secrets/overlay.yaml.j2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespaces:
    """The namespaces of a tree: which it has, and which it fills itself."""

    named: frozenset[str]
    """A manifest makes it, or something is deployed to it."""
    filled: frozenset[str]
    """A manifest makes it, or puts a workload there that reads a Secret."""

    def of(self, name: str, environment: Environment) -> str:
        """Return the namespace of an environment: the same where the tree fills no other.

        A workload does not follow its secrets into a namespace that an overlay thinks up.
        """
        other = environment.of(name)
        if "prod" in name.split("-") or other in self.named or name not in self.filled:
            return other
        return name


def namespaces(state: Declared) -> Namespaces:
    """Return the namespaces of a tree."""
    workloads = {item.path for item in state.others}
    read = {item.namespace for item in state.needs if item.path in workloads}
    return Namespaces(
        named=state.namespaces | frozenset(state.used), filled=state.namespaces | read
    )


def overlay_files(
    chosen: Settings, values: Mapping[str, object], held: Iterable[str], placed: Namespaces
) -> dict[PurePosixPath, bytes]:
    """Return the overlays by path; `held` are the namespaces that hold an ExternalSecret."""
    rendered = {"production": render(_TEMPLATE, {"name": "production", "unreached": ()})}
    for environment in ENVIRONMENTS:
        rendered[environment.name] = _overlay(environment, chosen, values, held, placed)
    return {OVERLAYS / name / "kustomization.yaml": content for name, content in rendered.items()}


def _overlay(
    environment: Environment,
    chosen: Settings,
    values: Mapping[str, object],
    held: Iterable[str],
    placed: Namespaces,
) -> bytes:
    def pairs(names: object) -> list[dict[str, str]]:
        listed = names if isinstance(names, list) else []
        return [{"before": name, "after": placed.of(name, environment)} for name in listed]

    made = [
        each
        for each in pairs(values["undeclared"])
        if values["account_namespace"] != each["before"] != each["after"]
    ]
    project = environment.of(chosen.project)
    return render(
        _TEMPLATE,
        {
            "name": environment.name,
            "provider": chosen.provider,
            "store": {"before": values["store"], "after": environment.of(str(values["store"]))},
            "namespaces": pairs(values["namespaces"]),
            "undeclared": made,
            "held": pairs(sorted(held)),
            "project": project,
            "cluster": environment.of(chosen.cluster) if chosen.cluster else "",
            "vault_path": environment.of(chosen.vault_path),
            "account": values["account"],
            "google_account": google_account(project),
            "refresh": environment.refresh,
            "unreached": values.get("unreached", ()),
        },
    )
