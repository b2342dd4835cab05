"""Where the order's own manifests and commands would not have worked."""

from __future__ import annotations

from closeout.model import Deviation

DEVIATIONS = (
    Deviation(
        id="D-external-secrets-1",
        claim="The manifests use the operator's v1beta1 API.",
        finding="Releases since 0.17.0 do not serve it: an API server answers 404, and accepts the "
        "same manifests as v1.",
        decision="Render v1; the version is a value of the template.",
    ),
    Deviation(
        id="D-external-secrets-2",
        claim="The store signs in with the account external-secrets-sa.",
        finding="The chart creates an account called external-secrets; the named one, and its "
        "permission to read secrets, exist nowhere.",
        decision="Render the account, and a script that binds it to a Google service account "
        "which may read secrets with this project's prefix only.",
    ),
    Deviation(
        id="D-external-secrets-3",
        claim="Install the chart, wait for one definition, then apply the store.",
        finding="The command fails when it is run again and takes whatever version is newest; "
        "three webhooks fail closed, so applying before they answer fails.",
        decision="One script: upgrade or install at a pinned version, wait for the definitions and "
        "the webhook, prove it by a dry run on the server, then apply.",
    ),
    Deviation(
        id="D-external-secrets-4",
        claim="The cluster-wide store has no conditions.",
        finding="Any namespace can then read every secret of the project.",
        decision="List the namespaces that the services run in.",
    ),
    Deviation(
        id="D-external-secrets-5",
        claim="One ExternalSecret with two keys is printed for the BFF.",
        finding="The criterion is all services; the platform's services read many more secrets.",
        decision="Derive the list from compose files, env examples, charts and code; one "
        "ExternalSecret a service, one entry a variable.",
    ),
    Deviation(
        id="D-external-secrets-6",
        claim="Manifests are applied as they are written.",
        finding="A plain YAML parse lets an unknown field pass, and the cluster may drop it.",
        decision="Validate against strict schemas, offline, in every run.",
    ),
    Deviation(
        id="D-external-secrets-7",
        claim="Nothing is asked about secrets that stand in files already.",
        finding="An ExternalSecret protects no value that anyone with the repository can read, and "
        "compose files and examples give away 31 in the reference monorepo.",
        decision="A usable secret anywhere in the tree keeps the gap open. Compose files require "
        "it from .env, examples lose the value; the rest is named for a person (ADR 8).",
    ),
    Deviation(
        id="D-external-secrets-8",
        claim="A Secret that syncs is a secret that is used.",
        finding="A process keeps the values it started with: after a rotation the Secret is new, "
        "and every pod holds the old value.",
        decision="The Secret's version stands in the pod templates that name it, and an upgrade "
        "makes new pods exactly where it changed; roll-out.sh makes them for all that read one, "
        "those too whose chart lists its variables in the values. No further controller is needed.",
    ),
    Deviation(
        id="D-external-secrets-9",
        claim="An ExternalSecret's keys are the variables' names.",
        finding="Charts and manifests read Secrets by names and keys of their own: a workload "
        "finds none of the keys, and waits for ever.",
        decision="Start from who reads: their names, keys and namespaces. A chart's own Secret is "
        "left out where the cluster serves the operator's kinds, so two makers never meet.",
    ),
)
