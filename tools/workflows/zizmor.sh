#!/usr/bin/env bash
# Runs zizmor, which finds holes in workflows, over .github without a network. It is installed once, under .deps.
set -euo pipefail
cd "$(dirname "$0")/../.."
requirements=tools/workflows/requirements.txt
venv=.deps/zizmor-$(cksum <$requirements | cut -d ' ' -f 1)
if [ ! -x "$venv/bin/zizmor" ]; then
	mkdir -p .deps
	part=$(mktemp -d "$venv.XXXXXX")
	trap 'rm -rf "$part"' EXIT
	python3 -m venv "$part"
	"$part/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: --requirement=$requirements
	if [ ! -e "$venv" ]; then mv "$part" "$venv"; fi # zizmor is one program, which does not mind where it lies
	rm -rf "$part"
fi
exec "$venv/bin/zizmor" --offline --quiet --no-progress "$@" .
