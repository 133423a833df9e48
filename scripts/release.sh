#!/usr/bin/env bash
# A release, act by act; the workflow "release" calls them, and they run by hand as well (docs/source/ci-cd.md):
#
#   scripts/release.sh archive FOLDER      builds, and packs program, native libraries, model and configs for this system
#   scripts/release.sh checksums FOLDER    SHA-256 of what lies in FOLDER, as checksums.txt
#   scripts/release.sh changelog [TAG]     the commits since the tag before, by area (default: up to HEAD)
#   scripts/release.sh sign FOLDER         signs checksums.txt with the identity of the workflow, or of who runs it
#   scripts/release.sh publish TAG FOLDER  makes the release on GitHub of what lies in FOLDER
#
# COSIGN is the command that signs.
set -euo pipefail
cd "$(dirname "$0")/.."
COSIGN=${COSIGN:-${GO:-go} run github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3}

usage() {
	echo "usage: scripts/release.sh archive FOLDER | checksums FOLDER | changelog [TAG] | sign FOLDER | publish TAG FOLDER" >&2
	exit 2
}

# The archive is laid out as the program looks for its parts: bin, lib beside it, and libtorch where lib's RUNPATH leads.
archive() {
	local out=$1 version os arch name
	make build sbom
	version=$(git describe --tags --always --dirty)
	os=$(uname -s | tr '[:upper:]' '[:lower:]')
	arch=$(uname -m | sed 's/^x86_64$/amd64/; s/^aarch64$/arm64/')
	name=torchlit-$version-$os-$arch
	stage=$(mktemp -d)
	trap 'rm -rf "$stage"' EXIT
	mkdir -p "$stage/$name"/{bin,lib,libtorch/lib,models} "$out"
	cp bin/torchlit "$stage/$name/bin/"
	if [ "$os" = darwin ]; then
		cp .deps/native/libtorchlit.dylib "$stage/$name/lib/"
		cp .deps/libtorch/lib/*.dylib "$stage/$name/libtorch/lib/"
	else # what the native library is linked with, and nothing else: .deps may hold CUDA's gigabytes, too
		cp .deps/native/libtorchlit.so "$stage/$name/lib/"
		ldd .deps/native/libtorchlit.so | grep -o '/[^ ]*/libtorch/lib/[^ ]*' | sort -u | xargs -I{} cp -L {} "$stage/$name/libtorch/lib/"
		strip --strip-unneeded "$stage/$name"/bin/torchlit "$stage/$name"/lib/*.so* "$stage/$name"/libtorch/lib/*.so*
	fi
	cp -r models/cifar10-resnet18 "$stage/$name/models/"
	cp -r configs "$stage/$name/" # what train composes its settings of
	if [ "$os" = linux ]; then cp -r deploy/systemd "$stage/$name/systemd"; fi
	cp LICENSE README.md docs/source/licences.md sbom.cdx.json "$stage/$name/"
	pack "$stage" "$name" "$out/$name.tar.gz"
	ls -l "$out/$name.tar.gz"
}

# pack FOLDER NAME ARCHIVE: with GNU's tar the same files make the same bytes.
pack() {
	local options=(--format=ustar --uid 0 --gid 0 --uname root --gname root)
	if tar --version | grep -q GNU; then
		options=(--format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct)")
	fi
	tar "${options[@]}" -C "$1" -cf - "$2" | gzip -n -9 >"$3"
}

checksums() {
	local sum=(sha256sum)
	if ! command -v sha256sum >/dev/null; then sum=(shasum -a 256); fi
	cd "$1"
	rm -f checksums.txt checksums.txt.sigstore.json
	local files=(*)
	if [ ! -e "${files[0]}" ]; then
		echo "release.sh: nothing lies in $1: build archives first (scripts/release.sh archive $1)" >&2
		exit 1
	fi
	"${sum[@]}" "${files[@]}" >checksums.txt
	cat checksums.txt
}

# Subjects are "area: what it does now"; those without an area come last.
changelog() {
	local tag=${1:-HEAD} before range
	before=$(git describe --tags --abbrev=0 --match 'v*' "$tag^" 2>/dev/null) || true
	range=${before:+$before..}$tag
	if [ -n "$before" ]; then echo "## Since $before"; else echo "## Changes"; fi
	git log --no-merges --reverse --format='%h%x09%s' "$range" | awk -F '\t' '
		{
			area = "other"; text = $2
			if (match($2, /^[A-Za-z0-9_.\/ ,-]+: /) && RLENGTH < 60) { area = substr($2, 1, RLENGTH - 2); text = substr($2, RLENGTH + 1) }
			if (!(area in lines)) { order[++n] = area }
			lines[area] = lines[area] "- " text " (" $1 ")\n"
		}
		END {
			for (i = 1; i <= n; i++) if (order[i] != "other") printf "\n### %s\n\n%s", order[i], lines[order[i]]
			if ("other" in lines) printf "\n### other\n\n%s", lines["other"]
		}'
}

sign() { # COSIGN may be several words
	# shellcheck disable=SC2086
	$COSIGN sign-blob --yes --bundle "$1/checksums.txt.sigstore.json" "$1/checksums.txt"
}

publish() {
	local tag=$1 folder=$2 options=()
	if ! git rev-parse -q --verify "refs/tags/$tag" >/dev/null; then
		echo "release.sh: there is no tag $tag here: git tag -s $tag, or fetch it" >&2
		exit 1
	fi
	(cd "$folder" && sha256sum -c checksums.txt >/dev/null)
	notes=$(mktemp)
	trap 'rm -f "$notes"' EXIT
	changelog "$tag" >"$notes"
	if [[ $tag == *-* ]]; then options+=(--prerelease); fi
	# --generate-notes adds the pull requests, by label (.github/release.yml).
	gh release create "$tag" --verify-tag --title "$tag" --notes-file "$notes" --generate-notes "${options[@]}" "$folder"/*
}

case ${1:-}:$# in
archive:2) archive "$2" ;;
checksums:2) checksums "$2" ;;
changelog:1) changelog ;;
changelog:2) changelog "$2" ;;
sign:2) sign "$2" ;;
publish:3) publish "$2" "$3" ;;
*) usage ;;
esac
