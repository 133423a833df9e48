#!/usr/bin/env bash
# Tells Cloud Monitoring how busy this server is, once: what the group grows and shrinks by. A timer of systemd starts it (serve.yaml).
# A server that is not there yet has nothing to tell.
. "$(dirname "$0")/lib.sh"
# total NAME: the sum of a metric over its labels.
total() { curl -fsS http://localhost:9090/metrics | awk -v name="^$1[{ ]" '$0 ~ name {sum += $NF} END {printf "%.0f\n", sum}'; }

metric=$(attribute scale)
case $metric in
queue_depth)
	value=$(total torchlit_queue_depth) || exit 0
	;;
request_rate)
	requests=$(total torchlit_requests_total) || exit 0
	line="$requests $(date +%s)"
	last=$(cat "$state/requests" 2>/dev/null) || true
	echo "$line" >"$state/requests"
	# A server that was started anew counts from nothing: then, and the first time, there is no rate yet.
	value=$(awk -v line="$line" 'NR == 1 {split(line, now); if (now[1] >= $1 && now[2] > $2) print (now[1] - $1) / (now[2] - $2)}' <<<"$last")
	if [ -z "$value" ] || [ -z "$last" ]; then exit 0; fi
	;;
gpu_use)
	value=$("${NVIDIA_SMI:-/var/lib/nvidia/bin/nvidia-smi}" --query-gpu=utilization.gpu --format=csv,noheader,nounits |
		awk '{sum += $1} END {print NR ? sum / NR : 0}') || exit 0
	;;
esac
project=$(metadata project/project-id)
zone=$(metadata instance/zone)
printf '{"timeSeries":[{"metric":{"type":"custom.googleapis.com/torchlit/%s"},"resource":{"type":"gce_instance","labels":{"project_id":"%s","instance_id":"%s","zone":"%s"}},"metricKind":"GAUGE","valueType":"DOUBLE","points":[{"interval":{"endTime":"%s"},"value":{"doubleValue":%s}}]}]}' \
	"$metric" "$project" "$(metadata instance/id)" "${zone##*/}" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$value" |
	curl -fsS -X POST -H "Authorization: Bearer $(token)" -H 'Content-Type: application/json' --data-binary @- \
		"https://monitoring.googleapis.com/v3/projects/$project/timeSeries"
