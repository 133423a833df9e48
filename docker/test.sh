#!/usr/bin/env bash
# Runs a built image as docs/source/images.md says, with a read-only root and no rights at all, and asks it: test.sh IMAGE PHOTO. By podman or docker.
set -euo pipefail
cd "$(dirname "$0")/.."
image=${1:?usage: docker/test.sh IMAGE PHOTO}
photo=${2:?usage: docker/test.sh IMAGE PHOTO}
. docker/engine.sh
name=torchlit-image-test-$$
port=18977
fail() {
	echo "test.sh: $*" >&2
	"${engine[@]}" logs "$name" >&2 || true
	exit 1
}
cleanup() { "${engine[@]}" rm -f "$name" >/dev/null 2>&1 || true; }
trap cleanup EXIT

# An image for GPUs gets them where there are some.
gpus=()
cuda=
case $("${engine[@]}" inspect -f '{{.Config.Env}}' "$image") in *NVIDIA_VISIBLE_DEVICES=*) cuda=1 ;; esac
if [ -n "$cuda" ] && nvidia-smi -L >/dev/null 2>&1; then
	gpus=(--gpus all)
	if [ "${engine[0]}" = podman ]; then gpus=(--device nvidia.com/gpu=all); fi
fi

run() {
	"${engine[@]}" run -d "${options[@]}" "${gpus[@]}" --name "$name" --network host --read-only --cap-drop ALL --security-opt no-new-privileges "$@" >/dev/null
}
await() {
	for _ in $(seq 300); do
		if "${engine[@]}" exec "$name" /opt/torchlit/bin/torchlit health --url "http://127.0.0.1:$port" >/dev/null 2>&1; then return; fi
		sleep 0.2
	done
	fail "the server is not ready after a minute"
}
ask() { curl -sS --fail-with-body -H 'Content-Type: image/jpeg' --data-binary "@$photo" "http://127.0.0.1:$port/v1/classify"; }

run "$image" serve --addr "127.0.0.1:$port" --decode-isolation=process
await
answer=$(ask) || fail "the photo is not classified: $answer"
case $answer in *'"label"'*) ;; *) fail "an answer without a label: $answer" ;; esac

if ((${#gpus[@]})); then
	models=$(curl -sS --fail-with-body "http://127.0.0.1:$port/v1/models")
	case $models in *cuda*) ;; *) fail "there is a GPU, and it serves without: $models" ;; esac
elif [ -n "$cuda" ]; then # the last thing that it says is not that a library of CUDA is missing
	why=$("${engine[@]}" run --rm "${options[@]}" --network none --read-only --cap-drop ALL "$image" serve --device cuda 2>&1) && fail "it serves on a GPU that is not there"
	case $why in *"there is no cuda device: the machine has none"*) ;; *) fail "the CUDA libraries cannot be loaded: $why" ;; esac
fi

# Nobody, with nothing.
pid=$("${engine[@]}" inspect -f '{{.State.Pid}}' "$name")
grep -qE '^Uid:\s+65532\s+65532' "/proc/$pid/status" || fail "it runs as $(grep ^Uid: "/proc/$pid/status")"
for set in CapInh CapPrm CapEff CapBnd; do
	grep -qE "^$set:\s+0+$" "/proc/$pid/status" || fail "it has capabilities: $(grep "^$set" "/proc/$pid/status")"
done
grep -qE '^NoNewPrivs:\s+1$' "/proc/$pid/status" || fail "it may get privileges"
for shell in sh bash dash busybox ls; do
	if "${engine[@]}" exec "$name" "$shell" -c true >/dev/null 2>&1 || "${engine[@]}" exec "$name" "/bin/$shell" >/dev/null 2>&1; then fail "there is a $shell in it"; fi
done

began=$(date +%s)
"${engine[@]}" stop -t 30 "$name" >/dev/null
code=$("${engine[@]}" inspect -f '{{.State.ExitCode}}' "$name")
if [ "$code" != 0 ] || (($(date +%s) - began > 20)); then fail "SIGTERM ended it with exit code $code after $(($(date +%s) - began)) s"; fi
echo "ok: ${answer:0:160}"
