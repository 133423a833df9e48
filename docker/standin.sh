#!/usr/bin/env bash
# Makes a stand-in for the Go image that docker/cpu/Dockerfile builds on, for machines that reach no hub: standin.sh IMAGE. It is Debian by
# debootstrap with this machine's Go in it, and with this machine's settings of apt, pip and go, so that they find the packages that they
# find here. Nothing of it is in the image that is built on it but the C libraries, which are Debian's own. Needs root, buildah and debootstrap.
set -euo pipefail
image=${1:?usage: docker/standin.sh IMAGE}
root=$(mktemp -d)
container=
cleanup() {
	if [ -n "$container" ]; then buildah rm "$container" >/dev/null; fi
	rm -rf --one-file-system "$root"
}
trap cleanup EXIT

# shellcheck source=/dev/null
. /etc/os-release
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
	sed -n -E 's#^(URIs:|deb( \[[^]]*\])?) *([^ ]+/debian/?)( .*)?$#\3#p' | head -n 1) || true
debootstrap --variant=minbase --include=ca-certificates "$VERSION_CODENAME" "$root" ${mirror:+"$mirror"} >&2

rm -rf "$root/etc/apt/sources.list" "$root/etc/apt/sources.list.d" "$root/etc/apt/apt.conf.d"
cp -r /etc/apt/sources.list.d /etc/apt/apt.conf.d "$root/etc/apt/"
install -m 755 /dev/stdin "$root/usr/sbin/policy-rc.d" <<<$'#!/bin/sh\nexit 101' # as in Docker's images: a package starts no service
for file in /etc/apt/sources.list /etc/pip.conf; do
	if [ -e "$file" ]; then cp "$file" "$root$file"; fi
done
cp -r /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
mkdir -p "$root/usr/local/go"
cp -rL "$(go env GOROOT)/." "$root/usr/local/go/"

container=$(buildah from scratch)
buildah add -q "$container" "$root" / >/dev/null
settings=(--env GOPATH=/go --env PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
for name in GOPROXY GOSUMDB GONOSUMDB GOFLAGS GOTOOLCHAIN; do
	settings+=(--env "$name=$(go env "$name")")
done
for name in $(compgen -e PIP_) SSL_CERT_FILE; do
	if [ -n "${!name:-}" ]; then settings+=(--env "$name=${!name}"); fi
done
buildah config "${settings[@]}" "$container"
buildah commit -q "$container" "$image" >&2
