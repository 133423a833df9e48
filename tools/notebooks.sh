#!/usr/bin/env bash
# Usage: tools/notebooks.sh [option of jupyter lab]...
# Opens the notebooks in JupyterLab, for this machine alone. The packages under "notebooks" of requirements.txt are installed once, under
# .deps/venv, where the tests look for them, too (internal/interop).
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/venv.sh
wanted=$(packages notebooks)
if command -v sha256sum >/dev/null; then sum=sha256sum; else sum='shasum -a 256'; fi
folder=.deps/venv/$(printf %s "$wanted" | $sum | cut -c 1-12)
venv "$folder" "$wanted"
# It asks nobody for news or newer releases.
exec "$folder/bin/python" -m jupyter lab --ServerApp.ip=127.0.0.1 --ServerApp.root_dir="$PWD" --LabApp.default_url=/lab/tree/notebooks \
	--LabApp.news_url= --LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate "$@"
