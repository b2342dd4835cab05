#!/usr/bin/env bash
# Create in Secret Manager every secret that the manifests of this folder ask for.
#
#   create-remote-secrets.sh            ask for each value that is missing
#   create-remote-secrets.sh --list     say which are there, and change nothing
#
# PROJECT names the project of another environment. A value is read without echo, and goes to
# gcloud by a pipe: never into the process list, a file or this script's output. An empty answer
# makes a random value, except for addresses and for what another company issues. A secret that has
# a version is left alone.
# Of an address that is shown without its password, an empty answer fills that in: it is read from
# the secret that holds it.
set -euo pipefail

project="${PROJECT:-farmiq-prod}"
location=asia-southeast1
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
mode="${1:-create}"

case "$mode" in
  create | --list) ;;
  *)
    echo "usage: ${BASH_SOURCE[0]##*/} [--list]" >&2
    exit 2
    ;;
esac

is_there() {
  [[ -n "$(gcloud secrets versions list "$1" --project "$project" --filter state=enabled \
    --limit 1 --format 'value(name)' 2>/dev/null || true)" ]]
}

keep() {
  if ! gcloud secrets describe "$1" --project "$project" >/dev/null 2>&1; then
    gcloud secrets create "$1" --project "$project" \
      --replication-policy user-managed --locations "$location" >/dev/null
  fi
  gcloud secrets versions add "$1" --project "$project" --data-file - >/dev/null
}

value_of() {
  gcloud secrets versions access latest --secret "$1" --project "$project"
}

# A value as it stands in an address: every other byte than these is %XX there.
encoded() {
  local LC_ALL=C text=$1 character code i
  for ((i = 0; ; i++)); do
    character=${text:i:1}
    [[ -n "$character" ]] || break
    if [[ "$character" == [A-Za-z0-9._~-] ]]; then
      printf '%s' "$character"
    else
      printf -v code '%d' "'$character"
      printf '%%%02X' "$((code & 255))"
    fi
  done
}

# Addresses that hold the password of another secret: that secret, what stands before and after it.
declare -A composed=(
  ["farmiq-prod-cloud-advanced-analytics-database-url"]="farmiq-prod-cloud-postgres-postgres-password postgresql://farmiq: @postgres:5432/cloud_advanced_analytics"
  ["farmiq-prod-cloud-analytics-service-database-url"]="farmiq-prod-cloud-postgres-postgres-password postgresql://farmiq: @postgres:5432/cloud_analytics"
  ["farmiq-prod-cloud-analytics-service-rabbitmq-url"]="farmiq-prod-cloud-rabbitmq-rabbitmq-default-pass amqp://farmiq: @rabbitmq:5672"
  ["farmiq-prod-cloud-billing-service-database-url"]="farmiq-prod-cloud-postgres-postgres-password postgresql://farmiq: @postgres:5432/cloud_billing"
  ["farmiq-prod-cloud-feed-planner-database-url"]="farmiq-prod-cloud-postgres-postgres-password postgresql://farmiq: @postgres:5432/cloud_feed_planner"
  ["farmiq-prod-cloud-identity-access-database-url"]="farmiq-prod-cloud-postgres-postgres-password postgresql://farmiq: @postgres:5432/cloud_identity_access"
  ["farmiq-prod-cloud-inference-server-database-url"]="farmiq-prod-cloud-postgres-postgres-password postgresql://farmiq: @postgres:5432/cloud_inference"
  ["farmiq-prod-cloud-ingestion-database-url"]="farmiq-prod-cloud-postgres-postgres-password postgresql://farmiq: @postgres:5432/cloud_ingestion"
  ["farmiq-prod-cloud-ingestion-rabbitmq-url"]="farmiq-prod-cloud-rabbitmq-rabbitmq-default-pass amqp://farmiq: @rabbitmq:5672"
  ["farmiq-prod-cloud-llm-insights-service-database-url"]="farmiq-prod-cloud-postgres-postgres-password postgresql://farmiq: @postgres:5432/cloud_llm_insights"
  ["farmiq-prod-cloud-notification-worker-rabbitmq-url"]="farmiq-prod-cloud-rabbitmq-rabbitmq-default-pass amqp://farmiq: @rabbitmq:5672"
  ["farmiq-prod-cloud-tenant-registry-database-url"]="farmiq-prod-cloud-postgres-postgres-password postgresql://farmiq: @postgres:5432/cloud_tenant_registry"
  ["farmiq-prod-edge-ingress-gateway-database-url"]="farmiq-prod-edge-postgres-postgres-password postgresql://edge: @edge-postgres:5432/edge_core"
  ["farmiq-prod-edge-telemetry-timeseries-database-url"]="farmiq-prod-edge-postgres-postgres-password postgresql://edge: @edge-postgres:5432/edge_core"
  ["farmiq-prod-edge-vision-inference-database-url"]="farmiq-prod-edge-postgres-postgres-password postgresql://edge: @edge-postgres:5432/edge_core"
)

mapfile -t keys < <(sed -n 's/^ *key: *//p' "$here"/*-external-secret.yaml | sort -u)
if [[ -z "${keys[*]:-}" ]]; then
  echo "error: no manifest in $here names a remote key" >&2
  exit 2
fi

# Whether only somebody else can give the value: a random one would pass here, and nowhere else.
is_issued() {
  case "-$1-" in
    *-anthropic-* | *-aws-* | *-azure-* | *-datadog-* | *-dd-api-* | *-dd-app-* | *-firebase-* | \
      *-github-* | *-gitlab-* | *-google-* | *-openai-* | *-paypal-* | *-sendgrid-* | \
      *-sentry-* | *-slack-* | *-smtp-* | *-stripe-* | *-telegram-* | *-twilio-*) return 0 ;;
  esac
  return 1
}

# A password has to be there before an address that holds it.
passwords=() addresses=()
for key in "${keys[@]}"; do
  if [[ -n "${composed[$key]:-}" ]]; then addresses+=("$key"); else passwords+=("$key"); fi
done
keys=("${passwords[@]}" "${addresses[@]}")

missing=0 left=0
for key in "${keys[@]}"; do
  if is_there "$key" </dev/null; then
    echo "there    $key"
    continue
  fi
  missing=$((missing + 1))
  echo "missing  $key"
  if [[ "$mode" == --list ]]; then
    continue
  fi
  read -r source head tail <<<"${composed[$key]:-}"
  said="${source:+ (empty for $head***$tail with the value of $source)}"
  if is_issued "$key"; then said=" (as its issuer gave it; empty to leave it missing)"; fi
  IFS= read -rs -p "value of $key$said: " value
  echo
  if [[ -z "$value" && -n "$source" ]]; then
    password="$(value_of "$source" </dev/null)"
    if [[ -z "$password" ]]; then
      echo "error: $source has no value yet, and $key holds it" >&2
      exit 1
    fi
    value="$head$(encoded "$password")$tail"
    unset password
  elif [[ -z "$value" ]]; then
    if [[ "$key" == *-url || "$key" == *-uri || "$key" == *-dsn ]]; then
      echo "error: $key is an address and cannot be made up" >&2
      exit 1
    fi
    if is_issued "$key"; then
      left=$((left + 1))
      echo "left     $key"
      continue
    fi
    value="$(openssl rand -base64 48 | tr -d '\n')"
  fi
  printf '%s' "$value" | keep "$key"
  unset value
  echo "created  $key"
done

if [[ "$mode" == --list && "$missing" -gt 0 ]]; then
  echo "$missing are missing" >&2
  exit 1
fi
if [[ "$left" -gt 0 ]]; then
  echo "$left are missing still: run this again with what their issuers gave" >&2
  exit 1
fi
