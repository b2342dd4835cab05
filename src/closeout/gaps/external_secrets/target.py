"""What the order asks for by name: the store, its account, the namespaces and the remote keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.formats.tree_names import ORDERS_PROJECT, dns_name

if TYPE_CHECKING:
    from closeout.gaps.external_secrets.declared import Declared

FOLDER = PurePosixPath("k8s/external-secrets")
OVERLAYS = PurePosixPath("k8s/overlays/external-secrets")
SUFFIX = "-external-secret.yaml"
API_VERSION = "external-secrets.io/v1"
CHART_VERSION = "1.3.2"
STORE = "gcp-secret-manager"
ACCOUNT = "external-secrets-sa"
ACCOUNT_NAMESPACE = "external-secrets"
PREFIX = f"{ORDERS_PROJECT}-prod-"
CLOUD_NAMESPACE = f"{ORDERS_PROJECT}-cloud-prod"

NAMED = frozenset(
    {("cloud-api-gateway-bff", "JWT_SECRET"), ("cloud-api-gateway-bff", "DATABASE_URL")}
)
"""The service and variables that the order prints; every other one is an unnamed sibling."""

_SHORT_NAMES = {"cloud-api-gateway-bff": "bff"}
_ADDRESSES = ("_URL", "_URI", "_DSN", "_CONNECTION_STRING")
_OWN = frozenset(
    {"API_KEY", "SECRET_KEY", "SECRET", "PASSWORD", "TOKEN", "ENCRYPTION_KEY", "SESSION_SECRET"}
    | {"VAULT_TOKEN", "SERVICE_API_KEY"}
)
"""Names too general to mean one value everywhere."""


def prefix(project: str) -> str:
    """Return what a project's remote keys start with."""
    return PREFIX.replace(ORDERS_PROJECT, project, 1)


def remote_key(project: str, service: str, variable: str) -> str:
    """Return the key in the secret manager that holds a service's variable.

    Two services that share a value share its key, as the order has it for JWT_SECRET: with two
    keys they would drift apart at the first rotation. Addresses and general names belong to one
    service, and so does a store's own password.
    """
    word = variable.lower().replace("_", "-")
    general = variable in _OWN or variable in {"DSN", "CONNECTION_STRING"}
    own_password = variable.startswith(f"{dns_name(service).rpartition('-')[2].upper()}_")
    if general or own_password or variable.endswith(_ADDRESSES):
        return own_key(project, service, variable)
    return f"{prefix(project)}{word}"


def own_key(project: str, service: str, variable: str) -> str:
    """Return the key of a variable whose value belongs to its service alone."""
    word = variable.lower().replace("_", "-")
    return f"{prefix(project)}{_SHORT_NAMES.get(service, dns_name(service))}-{word}"


def entry_values(state: Declared, service: str, entries: Mapping[str, str]) -> dict[str, object]:
    """Return what an ExternalSecret's template says of its service and of each key."""
    return {
        "project": state.project,
        "service": dns_name(service),
        "entries": [
            {"variable": key, "key": state.remote_key(service, variable)}
            for key, variable in sorted(entries.items())
        ],
    }


def secret_name(service: str) -> str:
    """Return the name of a service's ExternalSecret and of the Secret it makes."""
    return f"{dns_name(service)}-secrets"


def manifest_path(service: str) -> PurePosixPath:
    """Return where a service's ExternalSecret is rendered."""
    return FOLDER / f"{dns_name(service)}{SUFFIX}"
