"""Render one overlay an environment over the folder that describes production."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from closeout.gaps.external_secrets.settings import (
    ENVIRONMENTS,
    Environment,
    Settings,
    google_account,
)
from closeout.gaps.external_secrets.target import OVERLAYS
from closeout.resources import render

_TEMPLATE = "external-secrets/overlay.yaml.j2"


def overlay_files(
    chosen: Settings, values: Mapping[str, object], held: Iterable[str]
) -> dict[PurePosixPath, bytes]:
    """Return the overlays by path; `held` are the namespaces that hold an ExternalSecret."""
    rendered = {"production": render(_TEMPLATE, {"name": "production"})}
    for environment in ENVIRONMENTS:
        rendered[environment.name] = _overlay(environment, chosen, values, held)
    return {OVERLAYS / name / "kustomization.yaml": content for name, content in rendered.items()}


def environments(store: str) -> list[dict[str, str]]:
    """Return name and store of every environment besides production."""
    return [{"name": each.name, "store": each.of(store)} for each in ENVIRONMENTS]


def _overlay(
    environment: Environment, chosen: Settings, values: Mapping[str, object], held: Iterable[str]
) -> bytes:
    def pairs(names: object) -> list[dict[str, str]]:
        listed = names if isinstance(names, list) else []
        return [{"before": name, "after": environment.of(name)} for name in listed]

    made = [
        each
        for each in pairs(values["undeclared"])
        if each["before"] != values["account_namespace"]
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
        },
    )
