#!/usr/bin/env bash
# Deletes every training VM that was left: those that are switched off, and with --all those that are still at it.
#
#	PROJECT=my-project deploy/gce/clean.sh [--dry-run] [--settings FILE] [--all]
#
# VMs delete themselves, and Google deletes them after TRAIN_MAX: this is for the doubt, and for a schedule.
. "$(dirname "$0")/lib.sh"
start "$@"
filter="labels.app=$NAME AND labels.part=train"
if [ "${ARGS[0]:-}" = --all ]; then
	ARGS=("${ARGS[@]:1}")
else
	filter+=" AND status=TERMINATED"
fi
nothing_more
exists compute instances list --filter="$filter" --format='csv[no-heading](name,zone.basename())' || true
if [ -z "$ANSWER" ]; then say "there is none"; fi
while IFS=, read -r name zone; do
	if [ -n "$name" ]; then change compute instances delete "$name" "--zone=$zone"; fi
done <<<"$ANSWER"
