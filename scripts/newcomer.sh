#!/usr/bin/env bash
# A newcomer's first hour on a machine that has nothing: makes a bare Debian, installs in it what README.md says is needed and no
# more, clones the last commit of this repository, and runs README's two commands and its three curl lines there.
#
#	scripts/newcomer.sh [FOLDER]     as root; FOLDER is where the root goes, and stays (default: a temporary one, removed at the end)
#
#	TESTS='./batching/... ./tests'   tests these packages instead of 'make test'; TESTS=none tests nothing
#	PORT=18080                       serves there instead of on 8080
#
# No cache comes along: libtorch, Go's modules and Debian's packages are fetched, by the settings of apt, pip and go that this machine
# has. It takes 6 GB and, with all tests, an hour on two cores. Needs root, debootstrap, git and Go.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ] || [[ ${1:-} == -* ]] || (($# > 1)); then
	awk 'NR > 1 && !/^#/ {exit} NR > 1 {sub(/^# ?/, ""); print}' "$0" >&2
	exit 2
fi
for tool in debootstrap git go unshare; do
	command -v "$tool" >/dev/null || { echo "newcomer.sh: no $tool found (Debian: apt-get install debootstrap git util-linux; Go: https://go.dev/doc/install)" >&2; exit 1; }
done
# shellcheck source=docker/debian.sh
. docker/debian.sh
port=${PORT:-8080} tests=${TESTS:-all}

# What README says: the packages of its line for Debian, and the lines that ask the server.
packages=$(sed -n -E 's/^apt-get install ((-[^ ]+ )*)([a-z0-9 .+-]+)( *#.*)?$/\3/p' README.md | head -n 1)
questions=$(grep '^curl .*localhost:8080/v1/classify' README.md | sed "s/localhost:8080/localhost:$port/g")
if [ -z "$packages" ] || [ "$(wc -l <<<"$questions")" != 3 ]; then
	echo "newcomer.sh: README.md no longer has its line 'apt-get install PACKAGES', or its three curl lines" >&2
	exit 1
fi
if curl -so /dev/null "localhost:$port/healthz"; then
	echo "newcomer.sh: something listens on port $port: end it, or name another by PORT" >&2
	exit 1
fi

temporary=
root=${1:-}
if [ -z "$root" ]; then root=$(mktemp -d) temporary=$root; fi
# Mounts and processes end with their namespace (inside, below), however this script ends.
cleanup() {
	if [ -n "$temporary" ]; then rm -rf --one-file-system "$temporary"; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

heading() { printf '\n=== %s (%d min %02d s) ===\n' "$1" $((SECONDS / 60)) $((SECONDS % 60)); }

# inside COMMAND...: runs it in the root, in namespaces of its own, with nothing of this environment but the settings of go and pip.
inside() {
	local settings
	mapfile -t settings < <(debian_settings)
	# shellcheck disable=SC2016 # what is quoted here is for the shell within
	unshare --mount --pid --fork --kill-child bash -euc 'root=$1
		shift
		mount -t proc proc "$root/proc"
		mount --rbind /dev "$root/dev"
		mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
		chroot "$root" "$@" # not by exec: this shell is the first process there, and buries those that nobody waits for
		exit 0' inside "$root" /usr/bin/env -i "${settings[@]}" HOME=/root LANG=C.UTF-8 TERM=dumb DEBIAN_FRONTEND=noninteractive \
		PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@" </dev/null
}

# first_answers runs in there: 'make serve', the three lines, and the end.
first_answers() {
	local port=$1 questions=$2 log=/tmp/serve.log args=() answer
	cd /root/torchlit
	if [ "$port" != 8080 ]; then args=("ARGS=--addr :$port"); fi
	make serve "${args[@]}" >"$log" 2>&1 &
	local server=$!
	until curl -sf "localhost:$port/readyz" >/dev/null; do
		kill -0 "$server" 2>/dev/null || { tail -n 50 "$log"; echo "make serve ended before it was ready" >&2; exit 1; }
		sleep 1
	done
	grep -E '^(installing|compile|link) ' "$log" || true
	cp vision/testdata/photo.jpg /tmp/cat.jpg
	while IFS= read -r question; do
		echo "\$ $question"
		answer=$(cd /tmp && bash -c "$question -sS --fail-with-body")
		echo "$answer"
		[[ $answer == *'"predictions":[{"label":'* ]] || { echo "that is no answer" >&2; exit 1; }
	done <<<"$questions"
	kill -TERM "$server"
	wait "$server" || true
	if curl -so /dev/null "localhost:$port/healthz"; then echo "the server outlives make" >&2; exit 1; fi
	tail -n 3 "$log"
}

heading "a bare Debian in $root"
mkdir -p "$root"
debian_root "$root"
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"

heading "what README.md lists: $packages"
inside apt-get update -q
# shellcheck disable=SC2086 # a list
inside apt-get install -y -q --no-install-recommends $packages

heading "a clone of $(git log -1 --format='%h, %s')"
git clone -q --no-hardlinks --depth 1 "file://$PWD" "$root/root/torchlit"

heading "make serve"
inside bash -euo pipefail -c "$(declare -f first_answers); first_answers \"\$@\"" first_answers "$port" "$questions"

case $tests in
none) ;;
all)
	heading "make test"
	inside make -C /root/torchlit test
	;;
*)
	heading "go test $tests"
	# shellcheck disable=SC2086 # a list
	inside go test -C /root/torchlit $tests
	;;
esac
# Debian's git is asked for the state of a clone that root owns.
heading "the clone is as clean as it was"
changes=$(inside git -C /root/torchlit status --porcelain)
if [ -n "$changes" ]; then
	echo "$changes"
	echo "newcomer.sh: serving or testing changed files that git tracks, or left files that .gitignore does not know" >&2
	exit 1
fi
heading "all passed"
