#!/usr/bin/env bash
# Usage: tools/notebooks.sh [option of jupyter lab]...
# Opens the notebooks in JupyterLab, for this machine alone. The packages under "notebooks" of requirements.txt are installed once, under
# .deps/venv, where the tests look for them, too (internal/interop).
set -euo pipefail
cd "$(dirname "$0")/.."
wanted=$(awk '/^# notebooks: / {on = 1} /^$/ {on = 0} on && !/^#/' requirements.txt)
if command -v sha256sum >/dev/null; then sum=sha256sum; else sum='shasum -a 256'; fi
venv=.deps/venv/$(printf %s "$wanted" | $sum | cut -c 1-12)
if [ ! -e "$venv/installed" ]; then
	if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
		echo "notebooks.sh: python3 has no venv (Debian and Ubuntu: apt-get install python3-venv)" >&2
		exit 1
	fi
	mkdir -p .deps/venv
	python3 -m venv --clear "$venv"
	printf '%s\n' "$wanted" | "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: --requirement=/dev/stdin
	printf '%s\n' "$wanted" >"$venv/installed"
fi
# It asks nobody for news or newer releases.
exec "$venv/bin/python" -m jupyter lab --ServerApp.ip=127.0.0.1 --ServerApp.root_dir="$PWD" --LabApp.default_url=/lab/tree/notebooks \
	--LabApp.news_url= --LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate "$@"
