#!/usr/bin/env bash
# Runs zizmor, which finds holes in workflows, over .github without a network. It is installed once, under .deps.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/venv.sh
venv .deps/zizmor "$(<tools/workflows/requirements.txt)"
exec .deps/zizmor/bin/zizmor --offline --quiet --no-progress "$@" .
