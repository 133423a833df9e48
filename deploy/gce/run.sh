#!/usr/bin/env bash
# Deploys the CPU image to Cloud Run, which gets no request before /readyz says yes. A revision that does not become ready gets none
# at all: the one before goes on.
#
#	PROJECT=my-project deploy/gce/run.sh [--dry-run] [--settings FILE] [IMAGE]
#	PROJECT=my-project deploy/gce/run.sh --to REVISION         # back, or forth, to a revision that exists
#
# IMAGE is CPU_IMAGE when it is left out. It comes after project.sh and registry.sh.
. "$(dirname "$0")/lib.sh"
start "$@"
at=("--region=$REGION")
if [ "${ARGS[0]:-}" = --to ]; then
	revision=${ARGS[1]:-}
	ARGS=("${ARGS[@]:2}")
	nothing_more
	[ -n "$revision" ] || fail "--to what? gcloud run revisions list --service=$NAME --region=$REGION --project=$PROJECT"
	change run services update-traffic "$NAME" "${at[@]}" "--to-revisions=$revision=100"
	exit 0
fi
image=${ARGS[0]:-$CPU_IMAGE}
ARGS=("${ARGS[@]:1}")
nothing_more

# The port is one for all, so /metrics and the routes that change something are not on it. Cloud Run waits ten seconds after SIGTERM.
# shellcheck disable=SC2054
flags=("--image=$image" "${at[@]}" "--service-account=$(account serve)" --port=8080 "--cpu=$RUN_CPU" "--memory=$RUN_MEMORY" --cpu-boost
	"--concurrency=$RUN_CONCURRENCY" "--min-instances=$RUN_MIN" "--max-instances=$RUN_MAX" --timeout=60s
	--startup-probe=httpGet.path=/readyz,httpGet.port=8080,periodSeconds=2,timeoutSeconds=2,failureThreshold=60
	--liveness-probe=httpGet.path=/healthz,httpGet.port=8080,periodSeconds=10,timeoutSeconds=5
	"--labels=app=$NAME")
variables=TORCHLIT_SERVER_ADMIN_ADDR=localhost:9090,TORCHLIT_SERVER_DRAIN_TIMEOUT=8s
if [ -n "$MODELS" ]; then
	# The bucket is mounted; the account may only read it.
	[[ $MODELS =~ ^gs://([^/]+)/(.+)$ ]] || fail "MODELS=$MODELS is no folder of a bucket: gs://bucket/folder"
	variables+=,TORCHLIT_SERVER_MODELS=/models/${BASH_REMATCH[2]%/}
	# shellcheck disable=SC2054
	flags+=("--add-volume=name=models,type=cloud-storage,bucket=${BASH_REMATCH[1]},readonly=true" --add-volume-mount=volume=models,mount-path=/models --execution-environment=gen2)
fi
flags+=("--set-env-vars=$variables")
if [ "$RUN_PUBLIC" = 1 ]; then flags+=(--allow-unauthenticated); else flags+=(--no-allow-unauthenticated); fi
before=
if exists run services describe "$NAME" "${at[@]}" --format='value(status.latestReadyRevisionName,spec.template.spec.containers[0].image)'; then
	before=${ANSWER%%$'\t'*}
	if [ "${ANSWER#*$'\t'}" = "$image" ]; then say "the service runs $image already; a tag may have moved, so it is deployed again"; fi
fi
try run deploy "$NAME" "${flags[@]}" || {
	cat "$errors" >&2
	[ -n "$before" ] || explain run deploy "$NAME"
	fail "the revision of $image did not become ready, $before goes on: read its log (gcloud run services logs read $NAME --region=$REGION --project=$PROJECT), correct the image, deploy again"
}
change run services update-traffic "$NAME" "${at[@]}" --to-latest
if [ -n "$before" ]; then say "back with: run.sh --to $before"; fi
