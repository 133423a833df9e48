#!/usr/bin/env bash
# Writes what the chart makes as plain manifests, for those who use kustomize or nothing, and the table of its values. "make manifests" calls it.
#
#	tools/kubernetes/manifests.sh [FOLDER]      # deploy, or another folder laid out like it
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/kubernetes/tools.sh
deploy=${1:-deploy}
chart=$deploy/helm/torchlit
out=$deploy/kubernetes

# plain FILE ARGUMENTS: Helm's own labels and comments are left out.
plain() {
	local file=$1
	shift
	{
		echo '# Made from the chart by "make manifests": change the chart.'
		render "$chart" "$@" | sed -e '/^# Source: /d' -e '/helm.sh\/chart: /d' -e '/managed-by: Helm$/d' -e '/^$/d'
	} >"$file.part"
	mv "$file.part" "$file"
}

plain "$out/base/torchlit.yaml" --skip-tests
plain "$out/overlays/cpu/autoscaling.yaml" -f "$chart/values-cpu.yaml" --show-only templates/autoscaling.yaml
plain "$out/overlays/gpu/autoscaling.yaml" -f "$chart/values-gpu.yaml" --show-only templates/autoscaling.yaml
plain "$out/components/monitoring/monitoring.yaml" --set serviceMonitor.enabled=true,prometheusRule.enabled=true --show-only templates/monitoring.yaml
${GO:-go} run ./tools/kubernetes/values "$chart/values.yaml" "$chart/README.md"
