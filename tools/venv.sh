# shellcheck shell=bash
# To be sourced, at the root of the repository:
#
#	venv FOLDER PACKAGES   makes a virtual environment of Python's in FOLDER, once; PACKAGES are lines as in a requirements file
#
# It is whole when its file "installed" is there, which is written last; what is not whole, or holds other packages, is made anew.
# No package is built, which could run or fetch anything: wheels only.

venv() {
	local folder=$1 packages=$2
	if [ "$(cat "$folder/installed" 2>/dev/null)" = "$packages" ]; then return; fi
	if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
		echo "${0##*/}: python3 has no venv (Debian and Ubuntu: apt-get install python3-venv)" >&2
		exit 1
	fi
	mkdir -p "$(dirname "$folder")"
	python3 -m venv --clear "$folder"
	printf '%s\n' "$packages" | "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: --requirement=/dev/stdin
	printf '%s\n' "$packages" >"$folder/installed"
}

# packages NAME prints the list of requirements.txt that begins with "# NAME: " and ends with an empty line.
packages() { awk -v name="# $1: " 'index($0, name) == 1 {on = 1} /^$/ {on = 0} on && !/^#/' requirements.txt; }
