#!/usr/bin/env bash
# Install the External Secrets Operator, then apply this folder. Run it as often as you like.
#
#   k8s/external-secrets/install.sh [production | staging | dev]
#
# kubectl's context says which cluster; the environment says which of the overlays is applied.
# Helm must know the chart's repository under the name external-secrets. Either add it once, or
# give its address in EXTERNAL_SECRETS_REPOSITORY. EXTERNAL_SECRETS_CHART names another chart
# reference, such as a mirror's.
set -euo pipefail

version=1.3.2
namespace=external-secrets
chart="${EXTERNAL_SECRETS_CHART:-external-secrets/external-secrets}"
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
environment="${1:-production}"
folder="$here/../overlays/external-secrets/$environment"

case "$environment" in
  production) store=gcp-secret-manager ;;
  dev) store=gcp-secret-manager-dev ;;
  staging) store=gcp-secret-manager-staging ;;
  *)
    echo "usage: ${BASH_SOURCE[0]##*/} [production | dev | staging]" >&2
    exit 2
    ;;
esac
if [[ "$environment" == production && ! -f "$folder/kustomization.yaml" ]]; then
  folder="$here"
fi
if [[ ! -f "$folder/kustomization.yaml" ]]; then
  echo "error: $folder has no kustomization.yaml" >&2
  exit 2
fi

for tool in helm kubectl; do
  if ! command -v "$tool" >/dev/null; then
    echo "error: $tool is not installed" >&2
    exit 2
  fi
done

if [[ -n "${EXTERNAL_SECRETS_REPOSITORY:-}" ]]; then
  helm repo add --force-update external-secrets "$EXTERNAL_SECRETS_REPOSITORY"
fi

helm upgrade --install external-secrets "$chart" \
  --version "$version" \
  --namespace "$namespace" --create-namespace \
  --set installCRDs=true \
  --wait --timeout 5m

for crd in externalsecrets clustersecretstores; do
  kubectl wait --for=condition=Established --timeout=60s "crd/$crd.external-secrets.io"
done
kubectl --namespace "$namespace" rollout status deployment/external-secrets-webhook --timeout=120s

# The webhooks fail closed until their certificate is injected, which a ready pod does not prove.
# A dry run on the server passes through them and changes nothing.
for attempt in {1..30}; do
  if kubectl apply --dry-run=server --filename "$here/cluster-secret-store.yaml" >/dev/null; then
    break
  fi
  if [[ "$attempt" == 30 ]]; then
    echo "error: the webhook does not accept the store; see the messages above" >&2
    exit 1
  fi
  sleep 2
done

kubectl apply --kustomize "$folder"
kubectl wait --for=condition=Ready --timeout=120s "clustersecretstore/$store"
