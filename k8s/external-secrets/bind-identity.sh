#!/usr/bin/env bash
# Let the operator's Kubernetes account read a project's secrets, through workload identity.
# Run it once, by somebody who may change IAM in farmiq-prod; running it again changes nothing.
# PROJECT names the project of another environment.
set -euo pipefail

project="${PROJECT:-farmiq-prod}"
google_account="external-secrets@$project.iam.gserviceaccount.com"
member="serviceAccount:$project.svc.id.goog[external-secrets/external-secrets-sa]"

if ! gcloud iam service-accounts describe "$google_account" --project "$project" >/dev/null 2>&1; then
  gcloud iam service-accounts create "${google_account%%@*}" --project "$project" \
    --display-name "External Secrets Operator"
fi

gcloud iam service-accounts add-iam-policy-binding "$google_account" --project "$project" \
  --role roles/iam.workloadIdentityUser --member "$member" >/dev/null

# Only secrets with this project's prefix; the condition keeps every other secret out of reach.
number="$(gcloud projects describe "$project" --format 'value(projectNumber)')"
gcloud projects add-iam-policy-binding "$project" \
  --role roles/secretmanager.secretAccessor --member "serviceAccount:$google_account" \
  --condition "title=farmiq-prod-secrets,expression=resource.name.startsWith('projects/$number/secrets/farmiq-prod-')" \
  >/dev/null
echo "$member may read secrets that start with farmiq-prod-"
