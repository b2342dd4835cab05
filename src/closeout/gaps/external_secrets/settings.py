"""Say where the cluster's secrets come from: the order's values, or what closeout.toml declares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta, Struct, structs

from closeout.formats.declarations import declarations
from closeout.formats.holdings import has_cluster
from closeout.formats.tree_names import ORDERS_PROJECT, project
from closeout.fs import codec
from closeout.gaps.external_secrets.target import API_VERSION, CHART_VERSION, STORE
from closeout.model import Tree

VAULT = "vault"


_Zone = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]*$")]


class Settings(Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """Where the cluster's secrets come from; every entry has the order's value by default."""

    provider: Annotated[
        Literal["gcpsm", "vault"],
        Meta(description="Google's Secret Manager, or Vault by its Kubernetes sign-in."),
    ] = "gcpsm"
    api_version: Annotated[
        str,
        Meta(
            pattern=r"^external-secrets\.io/v[0-9a-z]+$",
            description="The operator's API, as the cluster serves it.",
        ),
    ] = API_VERSION
    chart_version: Annotated[
        str,
        Meta(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$", description="The operator's chart, one release."),
    ] = CHART_VERSION
    project: Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{4,28}[a-z0-9]$")] = "farmiq-prod"
    cluster: _Zone = "farmiq-prod"
    location: _Zone = "asia-southeast1"
    refresh: Annotated[
        str,
        Meta(
            pattern="^[0-9]+(s|m|h)$",
            description="How often a secret is read again, such as 1h.",
        ),
    ] = "1h"
    vault_server: Annotated[str, Meta(pattern="^https://[A-Za-z0-9.:/_-]+$")] = (
        "https://vault.vault.svc.cluster.local:8200"
    )
    vault_path: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9_/-]+$",
            description="The mount of Vault's key-value engine, version 2.",
        ),
    ] = "farmiq"
    vault_role: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]+$")] = "external-secrets"

    @property
    def store(self) -> str:
        """Return the store's name."""
        return VAULT if self.provider == VAULT else STORE


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


def is_clustered(tree: Tree) -> bool:
    """Return whether secrets go to a cluster: the tree deploys to one, or closeout.toml says so."""
    return has_cluster(tree) or "external-secrets" in declarations(tree)


def settings(tree: Tree) -> Settings:
    """Return the settings of a monorepo.

    Raises CloseoutError("declaration-unusable") for a closeout.toml that its schema refuses.
    """
    given = declarations(tree).get("external-secrets", {})
    own = _own(project(tree))
    unsaid = {name: value for name, value in own.items() if name.replace("_", "-") not in given}
    return structs.replace(codec.convert(Settings, given), **unsaid)


def _own(called: str) -> dict[str, str]:
    """Return the values that carry the order's names, for a tree with a name of its own."""
    if called == ORDERS_PROJECT:
        return {}
    own = f"{called}-prod"
    return {"project": own, "cluster": "", "location": "", "vault_path": called}
