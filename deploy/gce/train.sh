#!/usr/bin/env bash
# Trains on a GPU VM that deletes itself: on success, on failure, when it is taken back, and after TRAIN_MAX at the latest.
#
#	PROJECT=my-project deploy/gce/train.sh [--dry-run] [--settings FILE] [--wait] [--run NAME] [IMAGE] [KEY=VALUE...]
#
# The settings that git has at HEAD are trained, with the data that 'dvc pull' fetches. Everything of a run is in gs://BUCKET/runs/NAME. With
# --wait a run whose VM was taken back is begun again from its checkpoint, and the exit status is that of the training. The same
# --run later does that by hand. It comes after project.sh, bucket.sh and registry.sh. KEY=VALUE goes to 'torchlit train'.
. "$(dirname "$0")/lib.sh"
start "$@"
image=$CUDA_IMAGE
if [ "$TRAIN_GPU" = none ]; then image=$CPU_IMAGE; fi
wait=
run=$(date -u +%Y%m%d-%H%M%S)
arguments=$TRAIN_ARGS
set -- ${ARGS[@]+"${ARGS[@]}"}
while (($#)); do
	case $1 in
	--wait) wait=1 ;;
	--run)
		run=${2:-}
		shift
		;;
	--*) fail "what is ${1@Q}? See train.sh --help" ;;
	*=*) arguments+=" $1" ;;
	*) image=$1 ;;
	esac
	shift || true
done
[[ $run =~ ^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$ ]] || fail "--run ${run@Q}: use small letters, digits and hyphens, at most 30"
vm=$NAME-train-$run
remote=gs://$BUCKET/runs/$run

# status sets STATUS to what was written last: begun, and by the VM succeeded, failed, preempted or stopped.
status() {
	STATUS=none
	if exists storage cat "$remote/status"; then STATUS=$ANSWER; fi
}
# running says whether there is a VM of this run, wherever it is.
running() {
	exists compute instances list --filter="name=$vm" --format='value(zone.basename())' && [ -n "$ANSWER" ]
}

# begin makes the VM in the first zone that has one to give.
begin() {
	local zone list flags
	machine "$TRAIN_GPU"
	flags=("${MACHINE[@]}" "--image-family=$IMAGE_FAMILY" --image-project=cos-cloud "--boot-disk-size=${TRAIN_DISK_GB}GB" --boot-disk-type=pd-balanced
		"--network=$NAME" "--subnet=$NAME" "--labels=app=$NAME,part=train" "--service-account=$(account train)" --scopes=cloud-platform
		"--max-run-duration=$TRAIN_MAX" --instance-termination-action=DELETE --no-restart-on-failure
		"--metadata=^;^torchlit-run=$run;torchlit-bucket=$BUCKET;torchlit-image=$image;torchlit-gpu=$TRAIN_GPU;torchlit-driver=$DRIVER;torchlit-data=$TRAIN_DATA;torchlit-args=$arguments;torchlit-tools=$TOOLS_IMAGE;torchlit-python=$PYTHON_IMAGE;google-logging-enabled=true;block-project-ssh-keys=true"
		"--metadata-from-file=user-data=$gce/vm/train.yaml,torchlit-lib=$gce/vm/lib.sh,torchlit-train=$gce/vm/train.sh")
	if [ "$TRAIN_SPOT" = 1 ]; then flags+=(--provisioning-model=SPOT); else flags+=(--provisioning-model=STANDARD); fi
	# So that what an earlier VM said is not taken for what this one says.
	change storage cp - "$remote/status" <<<begun
	IFS=, read -ra list <<<"$ZONES"
	for zone in "${list[@]}"; do
		if try compute instances create "$vm" "--zone=$zone" "${flags[@]}"; then
			say "$vm trains in $zone: gcloud compute instances get-serial-port-output $vm --zone=$zone --project=$PROJECT"
			return
		fi
		grep -qiE 'ZONE_RESOURCE_POOL_EXHAUSTED|enough resources|stockout' "$errors" || break
		say "there is none to be had in $zone"
	done
	explain compute instances create "$vm"
}

[[ $arguments != *';'* ]] || fail "arguments of a run cannot hold a ';': put them into a file of configs/experiment"
status
if [ "$STATUS" = succeeded ]; then
	say "the run $run has succeeded already: $remote/run/model"
	exit 0
fi
if running; then
	say "$vm is at it, and is left as it is"
else
	if ! have "the source of the run" storage objects describe "$remote/source.tar.gz" --format='value(name)'; then
		top=$(git -C "$gce" rev-parse --show-toplevel)
		if [ -n "$TRAIN_DATA" ] && ! git -C "$top" ls-files --error-unmatch dvc.lock >/dev/null 2>&1 && [ -z "$(git -C "$top" ls-files '*.dvc')" ]; then
			fail "git has neither dvc.lock nor a .dvc file, so there is nothing to pull: 'dvc repro data' or 'dvc add', 'dvc push' and commit (docs/source/dvc.md), or TRAIN_DATA="
		fi
		source=$(mktemp)
		trap 'rm -f "$errors" "$answer" "$source"' EXIT
		# Settings, and what DVC knows: the program is in the image.
		mapfile -t files < <(git -C "$top" ls-tree -r --name-only HEAD | grep -E '^(configs/|\.dvc/|\.dvcignore$|dvc\.(yaml|lock)$|params\.yaml$)|\.dvc$')
		if [ -z "$dry_run" ]; then git -C "$top" archive --format=tar.gz -o "$source" HEAD -- "${files[@]}"; fi
		change storage cp "$source" "$remote/source.tar.gz"
	fi
	begin
fi
[ -n "$wait" ] && [ -z "$dry_run" ] || exit 0

for ((restarts = 0; ; )); do
	while running; do sleep "$TRAIN_POLL"; done
	status
	case $STATUS in
	succeeded)
		say "the run $run has succeeded: $remote/run/model"
		exit 0
		;;
	failed)
		exists storage cat "$remote/log.txt" && tail -n 40 <<<"$ANSWER" >&2
		fail "the run $run has failed: correct what its log says ($remote/log.txt), and begin another run; the same --run goes on from its last checkpoint"
		;;
	stopped) fail "the VM of $run was stopped, by hand or by TRAIN_MAX=$TRAIN_MAX: go on from its last checkpoint with train.sh --run $run" ;;
	esac
	((restarts < TRAIN_RESTARTS)) || fail "the VM of $run was taken back $((restarts + 1)) times: go on later with train.sh --run $run, or set TRAIN_SPOT=0"
	restarts=$((restarts + 1))
	say "the VM was taken back: once more from the last checkpoint ($restarts of $TRAIN_RESTARTS)"
	begin
done
