#!/usr/bin/env bash
# Does in the development container what somebody's first minutes in it are: builds the program, runs it, its tests and a debugger, as a user without
# rights, on a copy of what git tracks: test-dev.sh IMAGE [PACKAGE...]. By podman or docker. Wheels that this tree has fetched are handed in.
set -euo pipefail
cd "$(dirname "$0")/.."
image=${1:?usage: docker/test-dev.sh IMAGE [PACKAGE...]}
shift
packages=("$@")
if ((${#packages[@]} == 0)); then packages=(./batching ./vision/... ./tests ./torch); fi
. docker/engine.sh
name=torchlit-dev-test-$$
copy=$(mktemp -d)
cleanup() {
	"${engine[@]}" rm -f "$name" >/dev/null 2>&1 || true
	"${engine[@]}" volume rm -f "$name-deps" "$name-caches" >/dev/null 2>&1 || true
	rm -rf "$copy"
}
trap cleanup EXIT
git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from=- --ignore-failed-read | tar --extract --no-same-owner --directory="$copy"

# As the editor does: the container's user gets the uid of who owns the tree. Root's tree goes to the user that the image has.
owner=$(id -u):$(id -g)
home=(--env HOME=/tmp)
if [ "$(id -u)" = 0 ]; then
	owner=1000:1000
	home=()
	chown -R "$owner" "$copy"
fi
mounts=(-v "$copy:/workspaces/torchlit" -v "$name-deps:/workspaces/torchlit/.deps" -v "$name-caches:/caches")
if [ -d .deps/downloads ]; then mounts+=(-v "$(realpath .deps/downloads):/downloads:ro"); fi

# shellcheck disable=SC2016
"${engine[@]}" run --rm "${options[@]}" --name "$name" --network host --user "$owner" "${home[@]}" \
	--cap-add SYS_PTRACE --security-opt seccomp=unconfined "${mounts[@]}" "$image" bash -euo pipefail -c '
	mkdir -p .deps/downloads
	cp /downloads/*.whl .deps/downloads/ 2>/dev/null || true
	make build
	bin/torchlit version
	bin/torchlit predict --top-k 1 vision/testdata/photo.jpg
	go test "$@"
	for tool in cmake chromium dpkg-source git mpirun mpicc node npm promtool gopls; do
		command -v "$tool" >/dev/null || { echo "test-dev.sh: there is no $tool in it" >&2; exit 1; }
	done
	printf "%s\n" "break main.main" continue "print os.Args[1]" exit >/tmp/dlv
	dlv exec bin/torchlit --init /tmp/dlv --allow-non-terminal-interactive=true -- version </dev/null >/tmp/dlv.out 2>&1 || true
	grep -q "^\"version\"" /tmp/dlv.out || { cat /tmp/dlv.out >&2; exit 1; }
	' bash "${packages[@]}"
echo "ok: $image"
