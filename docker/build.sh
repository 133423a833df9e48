#!/usr/bin/env bash
# Builds an image by docker where its daemon answers, else by buildah: build.sh cpu|cuda TAG [STAGE]. Where the public Go image cannot be had,
# docker/standin.sh makes one of its name.
set -euo pipefail
cd "$(dirname "$0")/.."
flavour=${1:?usage: docker/build.sh cpu|cuda TAG [STAGE]}
tag=${2:?usage: docker/build.sh cpu|cuda TAG [STAGE]}
file=docker/$flavour/Dockerfile
base=$(sed -n 's/^ARG GO_IMAGE=//p' "$file")
arguments=(-f "$file" -t "$tag"
	--build-arg "VERSION=$(git describe --tags --always --dirty 2>/dev/null || echo unknown)"
	--build-arg "COMMIT=$(git rev-parse HEAD 2>/dev/null || echo unknown)")
if [ -n "${3:-}" ]; then arguments+=(--target "$3"); fi

if docker info >/dev/null 2>&1; then
	exec docker build "${arguments[@]}" .
fi
if ! command -v buildah >/dev/null; then
	echo "build.sh: neither does a docker daemon answer nor is buildah installed (Debian and Ubuntu: apt-get install buildah)" >&2
	exit 1
fi
if ! buildah inspect --type image "$base" >/dev/null 2>&1 && ! timeout 60 buildah pull -q "$base" >/dev/null 2>&1; then
	echo "build.sh: $base cannot be pulled; a stand-in of its name is made" >&2
	docker/standin.sh "$base"
fi
exec buildah bud --isolation chroot --layers --format docker "${arguments[@]}" .
