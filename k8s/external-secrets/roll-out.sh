#!/usr/bin/env bash
# Give every workload whose Secret has changed new pods; the others keep theirs.
#
#   roll-out.sh             after a rotation, or from a timer
#   roll-out.sh --dry-run   say which workloads read which Secret, and change nothing
#
# A running process keeps the values it started with. Each Secret's version goes into the pod
# template as an annotation: an equal one changes nothing, a new one makes a rollout. The charts
# write the same annotation at every upgrade. Only names and versions are asked for, no value.
set -euo pipefail

mode="${1:-apply}"
case "$mode" in
  apply | --dry-run) ;;
  *)
    echo "usage: ${BASH_SOURCE[0]##*/} [--dry-run]" >&2
    exit 2
    ;;
esac

# Templates for kubectl: names and versions only.
# shellcheck disable=SC2016

secrets='{{range .items}}{{$made := .metadata.name}}{{with .spec.target}}{{with .name}}{{$made = .}}{{end}}{{end}}{{.metadata.namespace}} {{$made}}{{"\n"}}{{end}}'
# shellcheck disable=SC2016
readers='{{range .items}}{{$who := printf "%s/%s" .kind .metadata.name}}{{range .spec.template.spec.containers}}{{range .envFrom}}{{with .secretRef}}{{$who}} {{.name}}{{"\n"}}{{end}}{{end}}{{range .env}}{{with .valueFrom}}{{with .secretKeyRef}}{{$who}} {{.name}}{{"\n"}}{{end}}{{end}}{{end}}{{end}}{{end}}'
version='{{.metadata.resourceVersion}}'

listed="$(kubectl get externalsecrets --all-namespaces --output go-template="$secrets" | sort -u)"
while read -r namespace secret; do
  [[ -n "$namespace" ]] || continue
  held="$(kubectl --namespace "$namespace" get secret "$secret" --ignore-not-found \
    --output go-template="$version")"
  if [[ -z "$held" ]]; then
    echo "absent   $namespace/$secret"
    continue
  fi
  found="$(kubectl --namespace "$namespace" get deployments,statefulsets,daemonsets \
    --output go-template="$readers" | sort -u)"
  while read -r workload name; do
    [[ "$name" == "$secret" ]] || continue
    echo "reads    $namespace/$secret: $workload"
    if [[ "$mode" == apply ]]; then
      kubectl --namespace "$namespace" patch "$workload" --type merge --patch \
        "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"secret-version/$secret\":\"$held\"}}}}}"
    fi
  done <<<"$found"
done <<<"$listed"
