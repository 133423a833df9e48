#!/usr/bin/env bash
# Prepares a project: APIs, the network, one service account each for serving, training and CI, and GitHub's identities.
#
#	PROJECT=my-project GITHUB_REPOSITORY=owner/name deploy/gce/project.sh [--dry-run] [--settings FILE]
#
# The project must exist and have a billing account. What exists already is left. docs/source/gcp.md tells the rest.
. "$(dirname "$0")/lib.sh"
start "$@"
nothing_more

apis=(compute artifactregistry run storage iam iamcredentials sts monitoring logging cloudresourcemanager)
exists services list --enabled --format='value(config.name)' || true
missing=()
for api in "${apis[@]}"; do
	grep -qxF "$api.googleapis.com" <<<"$ANSWER" || missing+=("$api.googleapis.com")
done
if ((${#missing[@]})); then change services enable "${missing[@]}"; else say "the APIs are enabled"; fi

# Nothing comes in but health checks and the load balancer. Servers have no address of their own: they reach Google by the subnet.
have "network $NAME" compute networks describe "$NAME" --format='value(name)' ||
	change compute networks create "$NAME" --subnet-mode=custom
have "subnet $NAME" compute networks subnets describe "$NAME" "--region=$REGION" --format='value(name)' ||
	change compute networks subnets create "$NAME" "--network=$NAME" "--region=$REGION" --range=10.10.0.0/20 --enable-private-ip-google-access
have "firewall rule $NAME-balancer" compute firewall-rules describe "$NAME-balancer" --format='value(name)' ||
	change compute firewall-rules create "$NAME-balancer" "--network=$NAME" --direction=INGRESS --allow=tcp:8080 \
		--source-ranges=130.211.0.0/22,35.191.0.0/16 "--target-tags=$NAME-serve"

for part in serve train ci; do
	have "account $(account $part)" iam service-accounts describe "$(account $part)" --format='value(email)' ||
		change iam service-accounts create "$NAME-$part" "--display-name=Torchlit: $part"
done

# Not even the training VM may delete another: a role with this alone, and only for names that begin so.
role=${NAME//-/_}_delete_self
have "role $role" iam roles describe "$role" --format='value(name)' ||
	change iam roles create "$role" --title='Delete a training VM' --permissions=compute.instances.delete --stage=GA

for part in serve train; do
	bind roles/logging.logWriter "serviceAccount:$(account $part)" projects "$PROJECT"
done
bind roles/monitoring.metricWriter "serviceAccount:$(account serve)" projects "$PROJECT"
CONDITION="title=training-vms,expression=resource.type == 'compute.googleapis.com/Instance' && resource.name.extract('/instances/{name}').startsWith('$NAME-train-')" \
	bind "projects/$PROJECT/roles/$role" "serviceAccount:$(account train)" projects "$PROJECT"

# CI makes templates, updates the group, starts training, deploys to Cloud Run, and starts VMs as the two accounts and no other.
bind roles/compute.instanceAdmin.v1 "serviceAccount:$(account ci)" projects "$PROJECT"
bind roles/run.developer "serviceAccount:$(account ci)" projects "$PROJECT"
for part in serve train; do
	bind roles/iam.serviceAccountUser "serviceAccount:$(account ci)" 'iam service-accounts' "$(account $part)"
done

if [ -z "$GITHUB_REPOSITORY" ]; then
	say "GITHUB_REPOSITORY is not set: no workflow may act in this project"
	exit 0
fi
[[ $GITHUB_REPOSITORY =~ ^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$ ]] || fail "GITHUB_REPOSITORY=$GITHUB_REPOSITORY is no owner/name"
number=PROJECT_NUMBER
if exists projects describe "$PROJECT" --format='value(projectNumber)'; then number=$ANSWER; fi
have "identity pool $NAME-github" iam workload-identity-pools describe "$NAME-github" --location=global --format='value(name)' ||
	change iam workload-identity-pools create "$NAME-github" --location=global --display-name='GitHub Actions'
provider=(--location=global "--workload-identity-pool=$NAME-github")
condition="assertion.repository == '$GITHUB_REPOSITORY'"
if exists iam workload-identity-pools providers describe github "${provider[@]}" --format='value(attributeCondition)'; then
	if [ "$ANSWER" = "$condition" ]; then
		say "identity provider github exists, and is left as it is"
	else
		change iam workload-identity-pools providers update-oidc github "${provider[@]}" "--attribute-condition=$condition"
	fi
else
	change iam workload-identity-pools providers create-oidc github "${provider[@]}" \
		--issuer-uri=https://token.actions.githubusercontent.com \
		--attribute-mapping=google.subject=assertion.sub,attribute.repository=assertion.repository,attribute.ref=assertion.ref \
		"--attribute-condition=$condition"
fi
pool=projects/$number/locations/global/workloadIdentityPools/$NAME-github
bind roles/iam.workloadIdentityUser "principalSet://iam.googleapis.com/$pool/attribute.repository/$GITHUB_REPOSITORY" \
	'iam service-accounts' "$(account ci)"
say "for the workflows: workload_identity_provider: $pool/providers/github, service_account: $(account ci)"
