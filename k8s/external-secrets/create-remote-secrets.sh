#!/usr/bin/env bash
# Create in Secret Manager every secret that the manifests of this folder ask for.
#
#   create-remote-secrets.sh            ask for each value that is missing
#   create-remote-secrets.sh --list     say which are there, and change nothing
#
# PROJECT names the project of another environment. A value is read without echo, and goes to
# gcloud by a pipe: never into the process list, a file or this script's output. An empty answer
# makes a random value, except for addresses. A secret that has a version is left alone.
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

mapfile -t keys < <(sed -n 's/^ *key: *//p' "$here"/*-external-secret.yaml | sort -u)
if [[ -z "${keys[*]:-}" ]]; then
  echo "error: no manifest in $here names a remote key" >&2
  exit 2
fi

missing=0
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
  IFS= read -rs -p "value of $key: " value
  echo
  if [[ -z "$value" ]]; then
    if [[ "$key" == *-url || "$key" == *-uri || "$key" == *-dsn ]]; then
      echo "error: $key is an address and cannot be made up" >&2
      exit 1
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
