#!/usr/bin/env bash
# Runs .ci/run as root, which may install what it lacks, with this user's go: for CI's machines, whose user has sudo.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" = 0 ]; then exec .ci/run; fi
exec sudo --preserve-env env "PATH=$PATH" "HOME=$HOME" .ci/run
