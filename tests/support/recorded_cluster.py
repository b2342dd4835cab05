"""A cluster's API as recorded JSON, behind a stand-in for kubectl."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path


def program(folder: Path, name: str, body: str) -> Path:
    """Write a program of a shell's lines and return it."""
    path = folder / name
    path.write_text(f"#!/bin/bash\n{body}\n", "utf-8")
    path.chmod(0o755)
    return path


def row(name: str, *, ready: str = "True", minutes: int = 10) -> dict[str, object]:
    """Return an object that was synced so many minutes ago."""
    stamp = (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = {"type": "Ready", "status": ready, "reason": "SecretSyncedError"}
    return {
        "metadata": {"name": name, "namespace": "farmiq-cloud-prod"},
        "spec": {"refreshInterval": "1h"},
        "status": {"conditions": [condition], "refreshTime": stamp},
    }


def recorded_api(folder: Path, answers: dict[str, object]) -> str:
    """Write a kubectl that answers from recorded JSON by resource, else with NotFound."""
    for resource, answer in answers.items():
        (folder / f"{resource}.json").write_text(json.dumps(answer), "utf-8")
    body = (
        f'if [[ -f "{folder}/$2.json" ]]; then cat "{folder}/$2.json"; exit 0; fi\n'
        'echo "Error from server (NotFound): $2 \\"$3\\" not found" >&2; exit 1'
    )
    return str(program(folder, "kubectl", body))


def workload(name: str, *keys: str, available: str = "True") -> dict[str, object]:
    """Return a Deployment that reads some keys of a Secret."""
    env = [
        {"name": key, "valueFrom": {"secretKeyRef": {"name": "a-secrets", "key": key}}}
        for key in keys
    ]
    return {
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "farmiq-cloud-prod"},
        "spec": {"template": {"spec": {"containers": [{"env": [{"name": "PORT"}, *env]}]}}},
        "status": {"conditions": [{"type": "Available", "status": available}]},
    }


ENTRY = {
    "kind": "ExternalSecret",
    "metadata": {"name": "a", "namespace": "farmiq-cloud-prod"},
    "spec": {"target": {"name": "a-secrets"}, "data": [{"secretKey": "JWT_SECRET"}]},
}
CONSUMERS = "deployments,statefulsets,daemonsets,externalsecrets"
HEALTHY = {
    CONSUMERS: {"items": [ENTRY, workload("a", "JWT_SECRET"), workload("other")]},
    "customresourcedefinition": {
        "spec": {"versions": [{"name": "v1", "served": True}, {"name": "v1beta1", "served": False}]}
    },
    "deployments": {
        "items": [
            {
                "metadata": {"name": "external-secrets"},
                "status": {"conditions": [{"type": "Available", "status": "True"}]},
            }
        ]
    },
    "clustersecretstore": row("gcp-secret-manager"),
    "externalsecrets": {"items": [row("a"), row("b")]},
    "cronjob": {"spec": {"schedule": "0 2 * * *"}},
}
