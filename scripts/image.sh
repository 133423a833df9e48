#!/usr/bin/env bash
# What happens to an image between its build and its use; the workflow "images" calls it, and it runs by hand as well (docs/source/ci-cd.md):
#
#   scripts/image.sh room GB                     makes so much room on a runner of GitHub, by what it comes with and no image needs
#   scripts/image.sh sbom IMAGE FILE             takes the list of what is in the image out of the image
#   scripts/image.sh scan FILE                   fails at a known vulnerability, high or critical, of what that list names and that has a fix
#   scripts/image.sh save IMAGE FILE             the image as a file
#   scripts/image.sh push FILE REPOSITORY TAG…   loads the file and pushes it under each tag; prints REPOSITORY@sha256:…, which becomes the step's
#                                                output OUTPUT (image)
#   scripts/image.sh sign IMAGE@sha256:… FILE    signs the image, and states that FILE is the list of what is in it
#
# It uses docker where its daemon answers, else podman. GRYPE and COSIGN are the commands that scan and sign.
set -euo pipefail
GRYPE=${GRYPE:-${GO:-go} run github.com/anchore/grype/cmd/grype@v0.121.3}
COSIGN=${COSIGN:-${GO:-go} run github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3}

usage() {
	echo "usage: scripts/image.sh room GB | sbom IMAGE FILE | scan FILE | save IMAGE FILE | push FILE REPOSITORY TAG... | sign IMAGE@DIGEST FILE" >&2
	exit 2
}

engine=podman
if docker info >/dev/null 2>&1; then engine=docker; fi

# Elsewhere than on a runner nothing is deleted.
room() {
	local folder
	local -a unused=(/usr/local/lib/android /usr/share/dotnet /opt/ghc /usr/local/.ghcup /usr/share/swift /opt/hostedtoolcache/CodeQL)
	free() { df --output=avail -BG / | tail -n 1 | tr -dc 0-9; }
	for folder in "${unused[@]}"; do
		if (($(free) >= $1)) || [ "${GITHUB_ACTIONS:-}" != true ]; then break; fi
		sudo rm -rf "$folder"
	done
	if (($(free) < $1)); then
		echo "image.sh: $(free) GB are free, $1 are wanted: delete what is not needed (docker system prune), or build where there is more" >&2
		exit 1
	fi
}

# The Dockerfiles put it there.
sbom() {
	local container
	container=$($engine create "$1")
	$engine cp "$container:/opt/torchlit/sbom.cdx.json" "$2" || {
		$engine rm "$container" >/dev/null
		return 1
	}
	$engine rm "$container" >/dev/null
}

# GRYPE and COSIGN may be several words.
# shellcheck disable=SC2086
scan() { $GRYPE "sbom:$1" --fail-on high --only-fixed; }

save() { $engine save "$1" | gzip -1 >"$2"; }

# The registry's own credentials come from gcloud, for as long as they last; nothing is written but that it is to be asked.
push() {
	local file=$1 repository=$2 loaded digest
	shift 2
	local host=${repository%%/*}
	if [[ $host == *-docker.pkg.dev ]]; then gcloud auth configure-docker "$host" --quiet >&2; fi
	loaded=$($engine load -i "$file" | sed -n 's/^Loaded image[^:]*: //p' | head -n 1)
	if [ -z "$loaded" ]; then
		echo "image.sh: $file holds no image with a name" >&2
		exit 1
	fi
	for tag in "$@"; do
		$engine tag "$loaded" "$repository:$tag"
		$engine push "$repository:$tag" >&2
	done
	digest=$($engine inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$repository:$1" | grep -m 1 "^$repository@sha256:") || {
		echo "image.sh: $repository:$1 was pushed and has no digest: the registry did not take it" >&2
		exit 1
	}
	echo "$digest"
	if [ -n "${GITHUB_OUTPUT:-}" ]; then echo "${OUTPUT:-image}=$digest" >>"$GITHUB_OUTPUT"; fi
}

# A tag can be moved after it was signed, a digest cannot.
# shellcheck disable=SC2086
sign() {
	if [[ $1 != *@sha256:* ]]; then
		echo "image.sh: $1 names no digest: sign what 'scripts/image.sh push' printed" >&2
		exit 2
	fi
	$COSIGN sign --yes "$1"
	$COSIGN attest --yes --type cyclonedx --predicate "$2" "$1"
}

case ${1:-}:$# in
sbom:3 | save:3 | sign:3 | scan:2 | room:2) "$@" ;;
push:[0-3]) usage ;;
push:*) "$@" ;;
*) usage ;;
esac
