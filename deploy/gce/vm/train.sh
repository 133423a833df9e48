#!/usr/bin/env bash
# Trains once on a VM of its own: driver, image, source, data, a checkpoint from before if there is one, the run, its evaluation.
# All of it is copied to gs://BUCKET/runs/RUN, every minute and at the end, with a status: succeeded, failed, preempted or stopped.
# However it ends, the VM is deleted. systemd starts it (train.yaml), and stops it when the VM is shut down.
. "$(dirname "$0")/lib.sh"
away=preparing
outcome=failed
work=$state/src
remote=
log=$state/log.txt
exec > >(tee "$log") 2>&1

# tools runs gcloud, in a container that is kept for it: at the end there may be seconds left.
tools() { docker exec torchlit-tools gcloud storage "$@"; }
tell() { tools cp "/state/$1" "$remote/$1"; }
save() { tools rsync --recursive --exclude='.*\.tmp$' "/state/src/runs/$run" "$remote/run"; }

# finish tells of the end and deletes the VM, whatever of that fails.
finish() {
	trap '' TERM
	set +e
	kill "$saver" 2>/dev/null
	say "the run has $outcome ($away)"
	if [ -n "$remote" ]; then
		save
		printf '%s\n' "$outcome" >"$state/status"
		tell log.txt
		tell status
	fi
	bash "${DELETE_SELF:-/etc/torchlit/delete-self.sh}"
}
saver=
trap finish EXIT

# stop is the answer to a shutdown: torchlit saves a checkpoint at SIGTERM. Who is taken back may begin again by itself; who was
# deleted by hand, or had its time, may not.
stop() {
	trap '' TERM
	docker stop -t 20 torchlit-train >/dev/null 2>&1 || true
	outcome=stopped
	if [ "$(metadata instance/preempted)" = TRUE ]; then outcome=preempted; fi
	exit 1
}
trap stop TERM

# waits runs a command so that a signal is heeded at once, and not when it has ended.
waits() {
	"$@" &
	wait "$!"
}

run=$(attribute run)
bucket=$(attribute bucket)
image=$(attribute image)
python=$(attribute python)
data=$(attribute data)
read -ra arguments <<<"$(attribute args)"
mkdir -p "$work/runs/$run"

away='fetching the tools'
waits pull "$(attribute tools)"
docker rm -f torchlit-tools torchlit-train >/dev/null 2>&1 || true
docker run -d --name torchlit-tools --network host -v "$state:/state" "$(attribute tools)" sleep infinity
remote=gs://$bucket/runs/$run

away='installing the driver'
gpu "$(attribute gpu)"
away='fetching the image'
waits pull "$image"
away='fetching the source'
waits tools cp "$remote/source.tar.gz" /state/source.tar.gz
tar -xzf "$state/source.tar.gz" -C "$work"
if [ -n "$data" ]; then
	away='pulling the data'
	waits pull "$python"
	# shellcheck disable=SC2016
	waits docker run --rm --network host -v "$work:/src" -w /src -e "BUCKET=$bucket" -e "DATA=$data" "$python" bash -euc '
		pip install -q --root-user-action=ignore "dvc[gs]==3.67.1"
		dvc config --local core.no_scm true
		dvc remote modify --local gcs url "gs://$BUCKET/dvc"
		dvc pull --remote gcs $DATA'
fi
away='fetching checkpoints'
if tools ls "$remote/run/checkpoints/" >/dev/null 2>&1; then
	waits tools rsync --recursive "$remote/run" "/state/src/runs/$run"
	arguments=("resume=runs/$run")
	say "going on from a checkpoint"
else
	arguments+=("output_dir=runs/$run")
fi
# The image runs as a user without rights.
chmod -R a+rwX "$work"
(
	while sleep "${TORCHLIT_SAVE_EVERY:-60}"; do save || true; done
) >/dev/null 2>&1 &
saver=$!

# It runs in the source, with the configs of the source as those of its installation.
mounts=(--network host -v "$work:/src" -w /src -v "$work/configs:/opt/torchlit/configs:ro")
away=training
docker run -d --name torchlit-train "${mounts[@]}" ${GPU[@]+"${GPU[@]}"} "$image" train "${arguments[@]}"
docker logs -f torchlit-train &
waits docker wait torchlit-train >"$state/exit"
code=$(<"$state/exit")
[ "$code" = 0 ] || {
	away="training ended with exit code $code"
	exit 1
}
if [ -n "$data" ] && [ -d "$work/$data/test" ]; then
	away=evaluating
	waits docker run --rm "${mounts[@]}" ${GPU[@]+"${GPU[@]}"} "$image" eval --model "runs/$run/model" --data "$data/test" --report "runs/$run/report"
fi
away='all done'
outcome=succeeded
