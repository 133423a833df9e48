#!/usr/bin/env bash
# What is left to do when a training run of deploy/gce/train.sh has ended, or was given up; the workflow "train" calls it:
#
#   PROJECT=my-project scripts/training.sh delete RUN        deletes its VM if there still is one
#   PROJECT=my-project scripts/training.sh report RUN FILE   writes what came of it as Markdown
#
# NAME and BUCKET are as in deploy/gce/settings.sh.
set -euo pipefail
PROJECT=${PROJECT:?set PROJECT to the project\'s id in Google Cloud}
NAME=${NAME:-torchlit}
BUCKET=${BUCKET:-$PROJECT-$NAME}

usage() {
	echo "usage: PROJECT=... scripts/training.sh delete RUN | report RUN FILE" >&2
	exit 2
}

# A VM that is not there any more is what is wanted: between the question and the deletion it may have deleted itself.
delete() {
	local vm=$NAME-train-$1 zone
	zone=$(vm_zone "$vm")
	if [ -z "$zone" ]; then
		echo "training.sh: there is no VM $vm" >&2
		return
	fi
	if ! gcloud compute instances delete "$vm" "--zone=$zone" "--project=$PROJECT" --quiet >&2 && [ -n "$(vm_zone "$vm")" ]; then
		echo "training.sh: $vm is still there and costs money: gcloud compute instances delete $vm --zone=$zone --project=$PROJECT" >&2
		exit 1
	fi
}
vm_zone() { gcloud compute instances list "--project=$PROJECT" "--filter=name=$1" '--format=value(zone.basename())'; }

report() {
	local at=gs://$BUCKET/runs/$1 status metrics log
	status=$(gcloud storage cat "$at/status" "--project=$PROJECT" 2>/dev/null) || status="has left no status"
	metrics=$(gcloud storage cat "$at/run/report/metrics.json" "--project=$PROJECT" 2>/dev/null) || metrics=
	log=$(gcloud storage cat "$at/log.txt" "--project=$PROJECT" 2>/dev/null | tail -n 30) || log=
	{
		echo "### Training run \`$1\`: $status"
		echo
		echo "Commit ${GITHUB_SHA:-$(git rev-parse HEAD)}, \`torchlit train ${TRAIN_ARGS:-trainer=gpu}\`, kept in \`$at\`."
		if [ -n "$metrics" ]; then
			printf '\n| on the test images | |\n| --- | --- |\n'
			figures <<<"$metrics"
		fi
		if [ -n "$log" ]; then
			printf '\n<details><summary>The end of its log</summary>\n\n'
			while IFS= read -r line; do printf '    %s\n' "$line"; done <<<"$log"
			printf '\n</details>\n'
		fi
	} >"$2"
}

# figures prints the numbers of a JSON object as rows of a table.
figures() {
	python3 -c '
import json, sys
for name, value in json.load(sys.stdin).items():
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        print(f"| {name} | {value:g} |" if isinstance(value, float) else f"| {name} | {value} |")'
}

case ${1:-}:$# in
delete:2) delete "$2" ;;
report:3) report "$2" "$3" ;;
*) usage ;;
esac
