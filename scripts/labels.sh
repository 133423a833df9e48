#!/usr/bin/env bash
# Gives the repository on GitHub the labels of .github/labels.json, with their colours and meanings. Labels that are there already
# are changed to what the file says; others stay. GH_REPO=owner/name names the repository outside of a clone.
set -euo pipefail
cd "$(dirname "$0")/.."
lines=$(python3 -c '
import json
for label in json.load(open(".github/labels.json", encoding="utf-8")):
    print(label["name"], label["color"], label["description"], sep="\t")')
while IFS=$'\t' read -r name color description; do
	gh label create "$name" --color "$color" --description "$description" --force </dev/null
done <<<"$lines"
