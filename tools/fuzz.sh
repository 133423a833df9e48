#!/usr/bin/env bash
# Runs every fuzz target of the tree for the time given (10s), one after the other:
# "go test -fuzz" takes one target of one package at a time.
set -euo pipefail
time=${1:-10s}
go=${GO:-go}

$go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}' ./... | while read -r package dir; do
	grep -qs '^func Fuzz' "$dir"/*_test.go || continue
	$go test -list '^Fuzz' "$package" | { grep '^Fuzz' || true; } | while read -r target; do
		echo "== $package $target"
		$go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package" </dev/null
	done
done
