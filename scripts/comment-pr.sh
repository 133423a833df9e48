#!/usr/bin/env bash
# Puts a file as a comment on the open pull request of a branch, in the place of the comment it left there before: comment-pr.sh BRANCH FILE.
# Without such a pull request it says so and is done. GH_REPO=owner/name names the repository outside of a clone.
set -euo pipefail
branch=${1:?usage: scripts/comment-pr.sh BRANCH FILE}
file=${2:?usage: scripts/comment-pr.sh BRANCH FILE}
if [ ! -s "$file" ]; then
	echo "comment-pr.sh: $file is empty or not there" >&2
	exit 1
fi
number=$(gh pr list --head "$branch" --state open --limit 1 --json number --jq '.[].number')
if [ -z "$number" ]; then
	echo "comment-pr.sh: $branch has no open pull request; nothing is said" >&2
	exit 0
fi
gh pr comment "$number" --edit-last --create-if-none --body-file "$file"
