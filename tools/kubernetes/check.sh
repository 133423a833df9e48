#!/usr/bin/env bash
# Checks the chart, the manifests and what is for KServe against the schemas of deploy/kubernetes/schemas. Nothing in a cluster is asked.
#
#	tools/kubernetes/check.sh [FOLDER]      # deploy, or another folder laid out like it
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/kubernetes/tools.sh
deploy=${1:-deploy}
chart=$deploy/helm/torchlit
schemas=$PWD/deploy/kubernetes/schemas

# conform NAME: what comes on standard input, of which every kind has a schema.
conform() {
	"$KUBECONFORM" -strict -schema-location "$schemas/{{.ResourceKind}}{{.KindSuffix}}.json" - || {
		echo "check.sh: $1 is not what the API takes" >&2
		return 1
	}
}

for values in values.yaml values-cpu.yaml values-gpu.yaml ci/everything.yaml ci/volume.yaml ci/image-volume.yaml; do
	"$HELM" lint --strict --quiet --kube-version 1.37.2 --set image.repository=torchlit "$chart" -f "$chart/$values" 2> >(grep -v 'symbolic link' >&2)
	render "$chart" -f "$chart/$values" | conform "the chart with $values"
done
for overlay in cpu gpu; do
	"$KUSTOMIZE" build "$deploy/kubernetes/overlays/$overlay" | conform "overlays/$overlay"
done
for file in "$deploy"/kserve/*.yaml; do
	conform "${file##*/}" <"$file"
done
