#!/usr/bin/env bash
# Takes inputs that fuzzing found into the tree, where each 'go test' runs them: of each target the given number (40), spread over the
# sizes that there are, none above 8 KiB. What is in the tree already stays.
set -euo pipefail
cd "$(dirname "$0")/.."
most=${1:-40}
found=$(go env GOCACHE)/fuzz/$(go list -m)
[ -d "$found" ] || { echo "corpus: nothing was found yet; run 'make fuzz FUZZTIME=10m' first" >&2; exit 1; }
find "$found" -type d -name 'Fuzz*' | sort | while read -r dir; do
	package=$(dirname "${dir#"$found"/}")
	target=$(basename "$dir")
	grep -qs "^func $target(" "$package"/*_test.go || continue
	to=$package/testdata/fuzz/$target
	mkdir -p "$to"
	find "$dir" -type f -size -8k -printf '%s %p\n' | sort -n | cut -d' ' -f2 |
		awk -v most="$most" '{all[NR] = $0} END {step = NR > most ? NR / most : 1; for (i = 1; i <= NR; i += step) print all[int(i)]}' |
		while read -r file; do cp -n "$file" "$to/"; done
	# Names of inputs are hashes.
	# shellcheck disable=SC2012
	echo "$package $target: $(ls "$to" | wc -l) inputs"
done
