#!/usr/bin/env bash
# Publishes the site of docs/source: pages.sh [REMOTE]. It is built strictly and pushed as the one commit of the branch gh-pages, which GitHub Pages
# serves. GH_TOKEN, if it is set, signs in to github.com for this push and is left nowhere.
set -euo pipefail
cd "$(dirname "$0")/.."
remote=${1:-origin}

# given KEY VALUE: a setting of git for what is started below, and for nothing else.
count=0
given() {
	export "GIT_CONFIG_KEY_$count=$1" "GIT_CONFIG_VALUE_$count=$2"
	count=$((count + 1))
	export GIT_CONFIG_COUNT=$count
}
if [ -n "${GH_TOKEN:-}" ]; then
	# git runs this text when it is asked for a password: the token is in no argument and in no file.
	# shellcheck disable=SC2016
	given credential.https://github.com.helper '!f() { echo username=x-access-token; echo "password=$GH_TOKEN"; }; f'
fi
if ! git config user.email >/dev/null; then # as on GitHub's machines
	given user.name github-actions
	given user.email github-actions@users.noreply.github.com
fi
exec tools/docs.sh gh-deploy --strict --force --no-history --remote-name "$remote" --message "The site of $(git rev-parse HEAD)"
