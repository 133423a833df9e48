#!/usr/bin/env bash
# Makes a stand-in for the Go image that docker/cpu/Dockerfile builds on, for machines that reach no hub: standin.sh IMAGE. It is Debian by
# debootstrap with this machine's Go in it, and with this machine's settings of apt, pip and go, so that they find the packages that they
# find here. Nothing of it is in the image that is built on it but the C libraries, which are Debian's own. Needs root, buildah and debootstrap.
set -euo pipefail
image=${1:?usage: docker/standin.sh IMAGE}
# shellcheck source=docker/debian.sh
. "$(dirname "$0")/debian.sh"
root=$(mktemp -d)
container=
cleanup() {
	if [ -n "$container" ]; then buildah rm "$container" >/dev/null; fi
	rm -rf --one-file-system "$root"
}
trap cleanup EXIT
debian_root "$root"

container=$(buildah from scratch)
buildah add -q "$container" "$root" / >/dev/null
settings=(--env GOPATH=/go --env PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
while read -r setting; do
	settings+=(--env "$setting")
done < <(debian_settings)
buildah config "${settings[@]}" "$container"
buildah commit -q "$container" "$image" >&2
