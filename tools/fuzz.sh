#!/usr/bin/env bash
# Runs every fuzz target of the tree for the time given (10s). "go test -fuzz" takes one
# target of one package at a time, so with two processors or more two of them run side by
# side, each with one worker (FUZZJOBS sets another number). Inputs are made smaller in ten tries,
# not in a minute each, which may be all of the time. What a target prints comes
# out in one piece when it ends; a target that fails lets the others finish, and then
# makes the whole fail.
set -euo pipefail
export FUZZTIME=${1:-10s} GO=${GO:-go}
processors=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
jobs=${FUZZJOBS:-$((processors < 2 ? 1 : 2))}

targets() {
	$GO list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}' ./... | while read -r package dir; do
		grep -qs '^func Fuzz' "$dir"/*_test.go || continue
		$GO test -list '^Fuzz' "$package" </dev/null | { grep '^Fuzz' || true; } | while read -r target; do
			echo "$package $target"
		done
	done
}

list=$(targets)
# What is quoted is for the inner shells.
# shellcheck disable=SC2016
xargs -P "$jobs" -n 2 bash -c '
	out=$($GO test -run "^\$" -fuzz "^$2\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 10x -parallel 1 "$1" 2>&1 </dev/null) && rc=0 || rc=1
	case $out in
	*"Failing input written to"* | *"panic:"* | *"[build failed]"*) ;;
	*"    context deadline exceeded"*) rc=0 ;; # the end of the time, which Go before 1.27 takes for a failure now and then: go.dev/issue/75804
	esac
	printf "== %s %s\n%s\n" "$1" "$2" "$out"
	exit $rc' fuzz <<<"$list"
