# shellcheck shell=bash
# What the scripts beside this file share: options, settings, questions to gcloud and changes by it. It is sourced.
set -euo pipefail
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
	echo "${0##*/}: this is bash $BASH_VERSION, and 4.4 or later is needed: on macOS, brew install bash" >&2
	exit 1
fi
gce=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# A question of gcloud would wait for an answer where nobody sees it.
export CLOUDSDK_CORE_DISABLE_PROMPTS=1
dry_run=
ARGS=()
errors=$(mktemp)
answer=$(mktemp)
trap 'rm -f "$errors" "$answer"' EXIT

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
fail() {
	say "$*"
	exit 1
}

# usage prints the comment that the script begins with.
usage() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; }

# start reads the options that all scripts have, and the settings. What is left is in ARGS.
start() {
	local settings=
	while (($#)); do
		case $1 in
		-h | --help)
			usage
			exit 0
			;;
		--dry-run) dry_run=1 ;;
		--settings)
			settings=${2:-}
			[ -f "$settings" ] || fail "cannot read the settings ${settings@Q}: give a file of lines such as PROJECT=my-project"
			shift
			;;
		*) ARGS+=("$1") ;;
		esac
		shift
	done
	# shellcheck disable=SC1090
	[ -z "$settings" ] || . "$settings"
	# shellcheck source=settings.sh
	. "$gce/settings.sh"
	[ -n "$PROJECT" ] || fail "no project is set: PROJECT=my-project $0, or a line PROJECT=my-project in a file that --settings names (all settings: deploy/gce/settings.sh)"
	[[ $NAME =~ ^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$ ]] || fail "NAME=$NAME cannot begin a name: use a small letter, then up to 19 small letters, digits and hyphens"
	[[ $GPU =~ ^(t4|l4|none)$ && $TRAIN_GPU =~ ^(t4|l4|none)$ ]] || fail "GPU=$GPU, TRAIN_GPU=$TRAIN_GPU: use t4, l4 or none"
	[[ $SCALE_ON =~ ^(queue_depth|gpu_use|request_rate)$ ]] || fail "SCALE_ON=$SCALE_ON: use queue_depth, gpu_use or request_rate"
	[ -n "$dry_run" ] || command -v gcloud >/dev/null || fail "there is no gcloud: install it (https://cloud.google.com/sdk/docs/install), or use --dry-run"
}

# nothing_more fails when ARGS holds more than the script knows.
nothing_more() { ((${#ARGS[@]} == 0)) || fail "what is ${ARGS[0]@Q}? See ${0##*/} --help"; }

# show prints a command as it can be pasted into a shell.
show() {
	local word line=gcloud
	for word in "$@"; do
		[[ $word =~ ^[A-Za-z0-9_./:=,@%+-]+$ ]] || word=${word@Q}
		line+=" $word"
	done
	printf '%s\n' "$line"
}

# explain tells what gcloud said, and what to do about it, and ends the script.
explain() {
	local advice="correct what gcloud says above and run this again: what is made already is left as it is"
	cat "$errors" >&2
	if grep -qiE 'no active account|not currently have an active|reauth' "$errors"; then
		advice="run 'gcloud auth login'"
	elif grep -qiE 'SERVICE_DISABLED|has not been used in project|API .*not enabled' "$errors"; then
		advice="run project.sh first, which enables the APIs, and give it a minute"
	elif grep -qiE 'billing' "$errors"; then
		advice="link a billing account: gcloud billing projects link $PROJECT --billing-account=..."
	elif grep -qiE 'quota' "$errors"; then
		advice="ask for more quota (docs/source/gcp.md, Quotas), or set GPU, REGION and ZONES to what you have"
	elif grep -qiE 'ZONE_RESOURCE_POOL_EXHAUSTED|enough resources|stockout' "$errors"; then
		advice="set ZONES to other zones, SPOT or GPU to another kind, or try again later"
	elif grep -qiE 'PERMISSION_DENIED|does not have permission|Required .* permission|\b403\b' "$errors"; then
		advice="ask the project's owner for the role that docs/source/gcp.md lists under Permissions"
	elif absent; then
		advice="run the scripts that come before this one (docs/source/gcp.md, In which order)"
	fi
	fail "'$(show "${@:1:4}") ...' failed: $advice"
}

# absent says whether the last error was that something does not exist.
absent() { grep -qiE 'not[ _-]?found|cannot find|does not exist|matched no objects|\b404\b' "$errors"; }

# exists asks gcloud, keeps what it prints in ANSWER and says whether there is such a thing. Any other error ends the script: not
# to be allowed to look is no sign that there is nothing. A dry run finds nothing.
exists() {
	ANSWER=
	if [ -n "$dry_run" ]; then
		show "$@" "--project=$PROJECT"
		return 1
	fi
	if gcloud "$@" "--project=$PROJECT" >"$answer" 2>"$errors"; then
		ANSWER=$(<"$answer")
		return 0
	fi
	absent || explain "$@"
	return 1
}

# have is exists for what is then left alone: have WORDS question.
have() {
	local what=$1
	shift
	exists "$@" || return 1
	say "$what exists, and is left as it is"
}

# try makes a change and returns what came of it, with the words of gcloud in $errors.
try() {
	if [ -n "$dry_run" ]; then
		show "$@" "--project=$PROJECT" --quiet
		return
	fi
	say "$(show "${@:1:5}") ..."
	gcloud "$@" "--project=$PROJECT" --quiet >&2 2>"$errors"
}

# change is try for what has to succeed.
change() { try "$@" || explain "$@"; }

# gone deletes what there is: gone WORDS DELETE-COMMAND..., whose word delete is describe in the question.
gone() {
	local what=$1 question=() word
	shift
	for word in "$@"; do
		if [ "$word" = delete ]; then word=describe; fi
		question+=("$word")
	done
	if [ -n "$dry_run" ] || exists "${question[@]}" --format='value(name)'; then
		change "$@"
	else
		say "there is no $what"
	fi
}

# bind grants a role where it is not granted: bind ROLE MEMBER GROUP ID [FLAG...], such as bind R M 'storage buckets' gs://b.
# CONDITION limits a project's.
bind() {
	local role=$1 member=$2 id=$4 group extra=()
	read -ra group <<<"$3"
	shift 4
	if exists "${group[@]}" get-iam-policy "$id" "$@" --flatten='bindings[].members' \
		--format='csv[no-heading](bindings.role,bindings.members)' && grep -qxF "$role,$member" <<<"$ANSWER"; then
		say "$member has $role on $id"
		return
	fi
	if [ "${group[*]}" = projects ]; then extra=("--condition=${CONDITION:-None}"); fi
	change "${group[@]}" add-iam-policy-binding "$id" "$@" "--member=$member" "--role=$role" ${extra[@]+"${extra[@]}"}
}

# account is the address of a service account: account serve, train or ci.
account() { printf '%s' "$NAME-$1@$PROJECT.iam.gserviceaccount.com"; }

# machine sets MACHINE to the flags for a GPU: machine t4, l4 or none. A G2 comes with its L4. No VM with a GPU can move to another host.
# shellcheck disable=SC2054
machine() {
	case $1 in
	t4) MACHINE=(--machine-type=n1-standard-4 --accelerator=type=nvidia-tesla-t4,count=1 --maintenance-policy=TERMINATE) ;;
	l4) MACHINE=(--machine-type=g2-standard-4 --maintenance-policy=TERMINATE) ;;
	none) MACHINE=(--machine-type=n1-standard-4) ;;
	esac
}

# template makes the instance template of an image if there is none, and sets TEMPLATE. Templates cannot be changed, so the
# name holds a hash of all that is in it: what is the same is made once, and a rollback finds what was.
template() {
	local image=$1 flags files
	machine "$GPU"
	files="user-data=$gce/vm/serve.yaml,torchlit-lib=$gce/vm/lib.sh,torchlit-serve=$gce/vm/serve.sh,torchlit-metrics=$gce/vm/metrics.sh"
	flags=("${MACHINE[@]}"
		"--image-family=$IMAGE_FAMILY" --image-project=cos-cloud "--boot-disk-size=${DISK_GB}GB" --boot-disk-type=pd-balanced
		"--region=$REGION" "--network=$NAME" "--subnet=$NAME" --no-address "--tags=$NAME-serve" "--labels=app=$NAME,part=serve"
		"--service-account=$(account serve)" --scopes=cloud-platform
		"--metadata=^;^torchlit-image=$image;torchlit-models=$MODELS;torchlit-gpu=$GPU;torchlit-driver=$DRIVER;torchlit-scale=$SCALE_ON;torchlit-tools=$TOOLS_IMAGE;google-logging-enabled=true;block-project-ssh-keys=true")
	if [ "$SPOT" = 1 ]; then flags+=(--provisioning-model=SPOT --instance-termination-action=DELETE); fi
	TEMPLATE=$NAME-serve-$({
		printf '%s\n' "${flags[@]}"
		cat "$gce"/vm/{serve.yaml,lib.sh,serve.sh,metrics.sh}
	} | git hash-object --stdin | cut -c1-10)
	have "template $TEMPLATE" compute instance-templates describe "$TEMPLATE" --format='value(name)' ||
		change compute instance-templates create "$TEMPLATE" "${flags[@]}" "--metadata-from-file=$files"
}

# zones is their number.
zones() {
	local list
	IFS=, read -ra list <<<"$ZONES"
	printf '%s' "${#list[@]}"
}
