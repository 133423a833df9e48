# shellcheck shell=bash
# What stands above the commands of a page when a test runs them; see sandbox_test.go. The page's own lines keep their numbers.
set -eE -o pipefail
exec 3>&1 4>&2
server=

# The page's line at which a command failed, and what it said.
trap 'printf "line %s: %s\n" "$LINENO" "$BASH_COMMAND" >&4; cat "$PAGE_OUT/last" >&4; stop_server; exit 1' ERR
trap stop_server EXIT

begin() {
	exec >"$PAGE_OUT/$1" 2>&1
	last "$1"
}
end() { exec >&3 2>&4; }
last() { ln -sfn "$1" "$PAGE_OUT/last"; }

# step N: what a reader does that is not on the page.
step() {
	local shown
	shown=$(readlink "$PAGE_OUT/last" || echo nothing)
	last "step-$1"
	# shellcheck source=/dev/null
	. "$PAGE_OUT/step-$1.sh" >"$PAGE_OUT/step-$1" 2>&1
	last "$shown"
}

# fails COMMAND...: is right if the command is not.
fails() {
	if "$@"; then
		echo "It does not fail."
		return 1
	fi
}

stop_server() {
	[ -n "$server" ] || return 0
	kill "$server" 2>/dev/null || true
	wait "$server" || true
	server=
}

# serve COMMAND...: starts a server in the place of the one before, and waits until it is ready. It listens where TORCHLIT_SERVER_ADDR
# or --addr says.
serve() {
	stop_server
	local address=$TORCHLIT_SERVER_ADDR last='' word
	for word; do
		case $last in --addr) address=$word ;; esac
		last=$word
	done
	"$@" >"$PAGE_OUT/server" 2>&1 3>&- 4>&- &
	server=$!
	for _ in {1..600}; do
		if curl -q -fs -o /dev/null "http://$address/readyz" || curl -q -fsk -o /dev/null "https://$address/readyz"; then return 0; fi
		if ! kill -0 "$server" 2>/dev/null; then break; fi
		sleep 0.1
	done
	cat "$PAGE_OUT/server"
	return 1
}
