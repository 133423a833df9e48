#!/usr/bin/env bash
# Usage: tools/docs.sh build | serve [option of mkdocs]...
# Builds the site of docs/source into site/, or shows it while one writes. The packages under "docs" of requirements.txt are installed
# once, under .deps; nothing else is fetched.
set -euo pipefail
cd "$(dirname "$0")/.."
command=${1:?usage: tools/docs.sh build|serve [option]...}
shift
wanted=$(awk '/^# docs/ {on = 1} /^$/ {on = 0} on && !/^#/' requirements.txt)
venv=.deps/docs-$(cksum <<<"$wanted" | cut -d ' ' -f 1)
if [ ! -e "$venv/installed" ]; then
	if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
		echo "docs.sh: python3 has no venv (Debian and Ubuntu: apt-get install python3-venv)" >&2
		exit 1
	fi
	mkdir -p .deps
	python3 -m venv --clear "$venv"
	<<<"$wanted" "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: --requirement=/dev/stdin
	touch "$venv/installed"
fi
# The theme is maintained until May 2027; what it says about that at each start is known.
export NO_MKDOCS_2_WARNING=1
exec "$venv/bin/python" -m mkdocs "$command" --config-file docs/mkdocs.yml "$@"
