"""Say where the cluster's secrets come from: the order's values, or what closeout.toml declares."""

from __future__ import annotations

from dataclasses import dataclass, fields

from closeout.formats.tree_names import ORDERS_PROJECT, project
from closeout.gaps.external_secrets.target import API_VERSION, CHART_VERSION, STORE
from closeout.harness.service_discovery import declarations
from closeout.model import Tree

VAULT = "vault"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The values of the templates that a monorepo may choose."""

    provider: str = "gcpsm"
    api_version: str = API_VERSION
    chart_version: str = CHART_VERSION
    project: str = "farmiq-prod"
    cluster: str = "farmiq-prod"
    location: str = "asia-southeast1"
    refresh: str = "1h"
    vault_server: str = "https://vault.vault.svc.cluster.local:8200"
    vault_path: str = "farmiq"
    vault_role: str = "external-secrets"

    @property
    def store(self) -> str:
        """Return the store's name."""
        return VAULT if self.provider == VAULT else STORE

    @property
    def google_account(self) -> str:
        """Return the Google service account that reads the secrets."""
        return google_account(self.project)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One environment, and how its values come from those of production."""

    name: str
    refresh: str

    def of(self, name: str) -> str:
        """Return what takes the place of a production name, such as farmiq-cloud-dev."""
        words = name.split("-")
        if "prod" in words:
            return "-".join(self.name if word == "prod" else word for word in words)
        return f"{name}-{self.name}"


ENVIRONMENTS = (
    Environment(name="dev", refresh="15m"),
    Environment(name="staging", refresh="30m"),
)
"""Those besides production, which the folder itself describes."""


def google_account(project: str) -> str:
    """Return the account that reads the secrets of a project."""
    return f"external-secrets@{project}.iam.gserviceaccount.com"


def settings(tree: Tree) -> Settings:
    """Return the settings of a monorepo.

    Raises CloseoutError("declaration-unusable") for a closeout.toml that its schema refuses.
    """
    given = {**_own(project(tree)), **declarations(tree).get("external-secrets", {})}
    names = {item.name for item in fields(Settings)}
    chosen = {key.replace("-", "_"): str(value) for key, value in given.items()}
    return Settings(**{key: value for key, value in chosen.items() if key in names})


def _own(called: str) -> dict[str, str]:
    """Return the values that carry the order's names, for a tree with a name of its own."""
    if called == ORDERS_PROJECT:
        return {}
    own = f"{called}-prod"
    return {"project": own, "cluster": "", "location": "", "vault-path": called}
