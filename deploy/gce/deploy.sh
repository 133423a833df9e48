#!/usr/bin/env bash
# Puts an image, or another folder of models, onto the group of GPU servers by a rolling update. When the new servers do not become
# healthy in UPDATE_TIMEOUT seconds, the template from before comes back and the script fails.
#
#	PROJECT=my-project deploy/gce/deploy.sh [--dry-run] [--settings FILE] IMAGE
#	PROJECT=my-project deploy/gce/deploy.sh --to TEMPLATE      # back, or forth, to a template that exists
#
# Servers are added before any is taken away; a server that goes finishes its requests. It comes after group.sh.
. "$(dirname "$0")/lib.sh"
start "$@"
servers=$NAME-serve
if [ "${ARGS[0]:-}" = --to ]; then
	TEMPLATE=${ARGS[1]:-}
	ARGS=("${ARGS[@]:2}")
	nothing_more
	[ -n "$TEMPLATE" ] || fail "--to what? gcloud compute instance-templates list --filter=name~^$NAME-serve- --project=$PROJECT"
else
	image=${ARGS[0]:-}
	ARGS=("${ARGS[@]:1}")
	nothing_more
	[ -n "$image" ] || fail "which image? deploy.sh $CUDA_IMAGE, better by its digest or a tag that never moves"
	template "$image"
fi

before=TEMPLATE_BEFORE
if exists compute instance-groups managed describe "$servers" "--region=$REGION" --format='value(versions[0].instanceTemplate.basename())'; then
	before=$ANSWER
elif [ -z "$dry_run" ]; then
	fail "there is no group $servers in $REGION: run group.sh first"
fi
if [ "$before" = "$TEMPLATE" ]; then
	say "the group has the template $TEMPLATE already"
else
	say "from $before to $TEMPLATE"
fi

# update rolls the group to a template and waits until every server has it, was found healthy, and none is about to change.
update() {
	try compute instance-groups managed rolling-action start-update "$servers" "--region=$REGION" "--version=template=$1" \
		--type=proactive --replacement-method=substitute "--max-surge=$(zones)" --max-unavailable=0 &&
		try compute instance-groups managed wait-until "$servers" "--region=$REGION" --version-target-reached "--timeout=$UPDATE_TIMEOUT" &&
		try compute instance-groups managed wait-until "$servers" "--region=$REGION" --stable "--timeout=$UPDATE_TIMEOUT"
}

if update "$TEMPLATE"; then
	[ -n "$dry_run" ] || say "the group serves $TEMPLATE; back with: deploy.sh --to $before"
	exit 0
fi
cat "$errors" >&2
[ "$before" != "$TEMPLATE" ] || fail "the servers do not become healthy, and there is nothing to go back to: name another template with --to"
say "the servers of $TEMPLATE do not become healthy: back to $before"
update "$before" || {
	cat "$errors" >&2
	fail "the way back to $before failed as well: look at 'gcloud compute instance-groups managed list-errors $servers --region=$REGION --project=$PROJECT', then deploy.sh --to $before"
}
fail "$TEMPLATE was rolled back, $before serves: read the log of a server of $TEMPLATE (docs/source/gcp.md, When something is wrong), correct the image, deploy again"
