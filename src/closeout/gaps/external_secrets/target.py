"""What the order asks for by name: the store, its account, the namespaces and the remote keys."""

from __future__ import annotations

from pathlib import PurePosixPath

FOLDER = PurePosixPath("k8s/external-secrets")
OVERLAYS = PurePosixPath("k8s/overlays/external-secrets")
API_VERSION = "external-secrets.io/v1"
CHART_VERSION = "1.3.2"
STORE = "gcp-secret-manager"
ACCOUNT = "external-secrets-sa"
ACCOUNT_NAMESPACE = "external-secrets"
PREFIX = "farmiq-prod-"
CLOUD_NAMESPACE = "farmiq-cloud-prod"
EDGE_NAMESPACE = "farmiq-edge"

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


def remote_key(service: str, variable: str) -> str:
    """Return the key in the secret manager that holds a service's variable.

    Two services that share a value share its key, as the order has it for JWT_SECRET: with two
    keys they would drift apart at the first rotation. Addresses and general names belong to one
    service, and so does a store's own password.
    """
    word = variable.lower().replace("_", "-")
    general = variable in _OWN or variable in {"DSN", "CONNECTION_STRING"}
    own_password = variable.startswith(_software(service))
    if general or own_password or variable.endswith(_ADDRESSES):
        return f"{PREFIX}{_SHORT_NAMES.get(service, service)}-{word}"
    return f"{PREFIX}{word}"


def secret_name(service: str) -> str:
    """Return the name of a service's ExternalSecret and of the Secret it makes."""
    return f"{service}-secrets"


def manifest_path(service: str) -> PurePosixPath:
    """Return where a service's ExternalSecret is rendered."""
    return FOLDER / f"{service}-external-secret.yaml"


def _software(service: str) -> str:
    return f"{service.rpartition('-')[2].upper()}_"
