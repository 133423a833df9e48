#!/usr/bin/env bash
# Runs the server on a VM of the group: driver, image, models, then the container until it ends. systemd starts it (serve.yaml).
. "$(dirname "$0")/lib.sh"
image=$(attribute image)
models=$(attribute models)
kind=$(attribute gpu)

gpu "$kind"
pull "$image"
# Of this VM alone are the routes for operators and /metrics.
flags=(serve --addr :8080 --admin-addr localhost:9090 --drain-grace 5s --drain-timeout 1m)
mounts=()
if [ "$kind" != none ]; then flags+=(--device cuda); fi
if [ -n "$models" ]; then
	tools=$(attribute tools)
	pull "$tools"
	mkdir -p "$state/models"
	docker run --rm --network host -v "$state/models:/models" "$tools" gcloud storage rsync --recursive "$models" /models
	mounts=(-v "$state/models:/models:ro")
	flags+=(--models /models)
fi
docker rm -f torchlit >/dev/null 2>&1 || true
exec docker run --rm --name torchlit --network host --read-only --cap-drop ALL --security-opt no-new-privileges \
	${GPU[@]+"${GPU[@]}"} ${mounts[@]+"${mounts[@]}"} "$image" "${flags[@]}"
