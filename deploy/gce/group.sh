#!/usr/bin/env bash
# Makes the group of GPU servers: template, health check, self-healing, autoscaling.
#
#	PROJECT=my-project deploy/gce/group.sh [--dry-run] [--settings FILE] [IMAGE]
#
# IMAGE is CUDA_IMAGE (CPU_IMAGE with GPU=none) when it is left out. It comes after project.sh, bucket.sh and registry.sh, and
# after an image was pushed. A group that exists keeps its template: deploy.sh changes that. Autoscaling is set anew each time.
. "$(dirname "$0")/lib.sh"
start "$@"
image=$CUDA_IMAGE
if [ "$GPU" = none ]; then image=$CPU_IMAGE; fi
if ((${#ARGS[@]})); then
	image=${ARGS[0]}
	ARGS=("${ARGS[@]:1}")
fi
nothing_more

# The same check heals and is the load balancer's. A server that drains says no on /readyz: three times 5 s, then nobody comes.
have "health check $NAME-ready" compute health-checks describe "$NAME-ready" --format='value(name)' ||
	change compute health-checks create http "$NAME-ready" --port=8080 --request-path=/readyz --check-interval=5s --timeout=4s \
		--healthy-threshold=2 --unhealthy-threshold=3

if ! have "group $NAME-serve" compute instance-groups managed describe "$NAME-serve" "--region=$REGION" --format='value(name)'; then
	template "$image"
	# As many more as there are zones, as the group requires, and none fewer. Any zone that has a GPU will do.
	change compute instance-groups managed create "$NAME-serve" "--region=$REGION" "--zones=$ZONES" "--template=$TEMPLATE" "--size=$MIN_SERVERS" \
		"--health-check=$NAME-ready" "--initial-delay=${INITIAL_DELAY}s" --target-distribution-shape=any --instance-redistribution-type=none \
		--update-policy-type=proactive "--update-policy-max-surge=$(zones)" --update-policy-max-unavailable=0
fi
exists compute instance-groups get-named-ports "$NAME-serve" "--region=$REGION" --format='csv[no-heading](name,port)' || true
if grep -qxF http,8080 <<<"$ANSWER"; then
	say "port http is named"
else
	change compute instance-groups set-named-ports "$NAME-serve" "--region=$REGION" --named-ports=http:8080
fi
# It replaces what was set before, so it says the same however often it runs. Taking away is slow: at most one in ten minutes.
change compute instance-groups managed set-autoscaling "$NAME-serve" "--region=$REGION" "--min-num-replicas=$MIN_SERVERS" \
	"--max-num-replicas=$MAX_SERVERS" "--cool-down-period=${INITIAL_DELAY}s" "--update-stackdriver-metric=custom.googleapis.com/torchlit/$SCALE_ON" \
	"--stackdriver-metric-utilization-target=$SCALE_TARGET" --stackdriver-metric-utilization-target-type=gauge \
	--scale-in-control=max-scaled-in-replicas=1,time-window=600
