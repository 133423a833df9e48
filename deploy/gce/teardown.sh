#!/usr/bin/env bash
# Deletes what the other scripts made, in the opposite order, and says what there is not.
#
#	PROJECT=my-project deploy/gce/teardown.sh [--dry-run] [--settings FILE] [--data]
#
# The bucket, the images, the accounts and the network stay unless --data is given: with it, data, runs and models are lost.
# APIs stay enabled. The identity pool stays too: its name could not be used again for 30 days.
. "$(dirname "$0")/lib.sh"
start "$@"
data=
if [ "${ARGS[0]:-}" = --data ]; then
	data=1
	ARGS=("${ARGS[@]:1}")
fi
nothing_more

gone "forwarding rule" compute forwarding-rules delete "$NAME" --global
gone "HTTPS proxy" compute target-https-proxies delete "$NAME" --global
gone "HTTP proxy" compute target-http-proxies delete "$NAME" --global
gone certificate compute ssl-certificates delete "$NAME" --global
gone "URL map" compute url-maps delete "$NAME" --global
gone "backend service" compute backend-services delete "$NAME" --global
gone address compute addresses delete "$NAME" --global
gone "group of servers" compute instance-groups managed delete "$NAME-serve" "--region=$REGION"
gone "health check" compute health-checks delete "$NAME-ready"
exists compute instance-templates list --filter="name~^$NAME-serve-" --format='value(name)' || true
for name in $ANSWER; do change compute instance-templates delete "$name"; done
gone "Cloud Run service" run services delete "$NAME" "--region=$REGION"
exists compute instances list --filter="labels.app=$NAME AND labels.part=train" --format='csv[no-heading](name,zone.basename())' || true
while IFS=, read -r name zone; do
	if [ -n "$name" ]; then change compute instances delete "$name" "--zone=$zone"; fi
done <<<"$ANSWER"

if [ -z "$data" ]; then
	say "bucket, images, accounts and network stay; --data deletes them too"
	exit 0
fi
if exists storage buckets describe "gs://$BUCKET" --format='value(name)' || [ -n "$dry_run" ]; then change storage rm --recursive "gs://$BUCKET"; fi
gone "repository of images" artifacts repositories delete "$REPOSITORY" "--location=$REGION"
gone "firewall rule" compute firewall-rules delete "$NAME-balancer"
gone subnet compute networks subnets delete "$NAME" "--region=$REGION"
gone network compute networks delete "$NAME"
# A role that a deleted account had would stay in the policy as one of nobody's.
exists projects get-iam-policy "$PROJECT" --flatten='bindings[].members' --format='csv[no-heading](bindings.role,bindings.members)' || true
grants=$ANSWER
for part in serve train ci; do
	while IFS=, read -r role member; do
		if [ "$member" = "serviceAccount:$(account $part)" ]; then
			change projects remove-iam-policy-binding "$PROJECT" "--member=$member" "--role=$role" --all
		fi
	done <<<"$grants"
	gone "account $part" iam service-accounts delete "$(account $part)"
done
