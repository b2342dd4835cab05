"""Find the schema that a manifest's kind is held to; every file here is our own subset."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

KUBERNETES_VERSION = "1.34.0"
"""The control plane that manifests are held to."""

SERVED_VERSIONS: Mapping[str, tuple[str, ...]] = {
    "external-secrets.io": ("external-secrets.io/v1",),
    "monitoring.coreos.com": ("monitoring.coreos.com/v1",),
    "cert-manager.io": ("cert-manager.io/v1",),
    "kustomize.config.k8s.io": ("kustomize.config.k8s.io/v1beta1",),
}
"""API group to the versions that current releases of its operator still serve."""

_SCHEMAS: Mapping[tuple[str, str], str] = {
    ("external-secrets.io", "ExternalSecret"): "external-secret.json",
    ("external-secrets.io", "ClusterSecretStore"): "cluster-secret-store.json",
    ("external-secrets.io", "SecretStore"): "secret-store.json",
    ("monitoring.coreos.com", "ServiceMonitor"): "service-monitor.json",
    ("monitoring.coreos.com", "PodMonitor"): "pod-monitor.json",
    ("monitoring.coreos.com", "PrometheusRule"): "prometheus-rule.json",
    ("cert-manager.io", "Certificate"): "certificate.json",
    ("cert-manager.io", "Issuer"): "issuer.json",
    ("kustomize.config.k8s.io", "Kustomization"): "kustomization.json",
}


_KIND = re.compile(r"[A-Za-z0-9]{1,63}")
_VERSION = re.compile(r"([a-z0-9.-]{1,99}/)?[a-z0-9]{1,32}")
"""What a schema's file may be called after: anything else is no kind of a core resource."""


@cache
def _load(name: str) -> dict[str, Any]:
    text = resources.files("closeout").joinpath("formats", "schemas", name).read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def vocabulary(field: str) -> tuple[str, ...]:
    """Return the words that a core Kubernetes field may hold, empty where it is open."""
    words = _load("core-enums.json").get(field)
    return tuple(words) if isinstance(words, list) else ()


@cache
def validator_of(group: str, version: str, kind: str) -> Any:  # noqa: ANN401 - jsonschema is untyped
    """Return the validator of a kind, or None where no schema is known for it."""
    import jsonschema  # noqa: PLC0415 - heavy

    name = _SCHEMAS.get((group, kind))
    if name is not None:
        return jsonschema.Draft202012Validator(_load(name))
    return None if group in SERVED_VERSIONS else _core_validator(version, kind)


def _core_validator(version: str, kind: str) -> Any:  # noqa: ANN401 - jsonschema is untyped
    import jsonschema  # noqa: PLC0415 - heavy
    from kubernetes_validate import utils  # noqa: PLC0415 - heavy
    from referencing import Resource  # noqa: PLC0415 - heavy

    if not _KIND.fullmatch(kind) or not _VERSION.fullmatch(version):
        return None
    group, _, number = version.rpartition("/")
    stem = f"{group.partition('.')[0]}-{number}" if group else number
    folder = f"kubernetes-json-schema/v{KUBERNETES_VERSION}-local-strict"
    try:
        schema = utils.schema_contents(f"{folder}/{kind.lower()}-{stem}.json", KUBERNETES_VERSION)
    except FileNotFoundError:
        return None
    registry = Resource.from_contents(schema) @ _shared_definitions(folder)
    return jsonschema.Draft202012Validator(schema, registry=registry)


@cache
def _shared_definitions(folder: str) -> Any:  # noqa: ANN401 - referencing's registry of anything
    """Return what all kinds refer to: a megabyte of JSON, read once and not once a kind."""
    from kubernetes_validate import utils  # noqa: PLC0415 - heavy
    from referencing import Registry, Resource  # noqa: PLC0415 - heavy

    shared = _untold(utils.schema_contents(f"{folder}/_definitions.json", KUBERNETES_VERSION))
    empty: Any = Registry()
    return Resource.from_contents(shared) @ empty


def _untold(schema: Any) -> Any:  # noqa: ANN401 - a schema holds anything
    """Take out of a schema what it says for people, which is most of it; a field stays."""
    for part in list(schema.values()) if isinstance(schema, dict) else schema:
        if isinstance(part, dict | list):
            _untold(part)
    if isinstance(schema, dict) and isinstance(schema.get("description"), str):
        del schema["description"]
    return schema
