#!/usr/bin/env bash
# Usage: tools/docs.sh build | serve [option of mkdocs]...
# Builds the site of docs/source into site/, or shows it while one writes. The packages under "docs" of requirements.txt are installed
# once, under .deps; nothing else is fetched.
set -euo pipefail
cd "$(dirname "$0")/.."
command=${1:?usage: tools/docs.sh build|serve [option]...}
shift
. tools/venv.sh
venv .deps/docs "$(packages docs)"
# The theme is maintained until May 2027; what it says about that at each start is known.
export NO_MKDOCS_2_WARNING=1
exec .deps/docs/bin/python -m mkdocs "$command" --config-file docs/mkdocs.yml "$@"
