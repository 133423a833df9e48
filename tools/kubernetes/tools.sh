# shellcheck shell=bash
# The programs that check and write what deploy has for Kubernetes: HELM, KUBECONFORM and KUSTOMIZE. Each is a command of one word, which can be given by a
# variable of the same name. It is sourced.
#
# go run keeps what it has built, and starts what it is told to start it with: echo says where that is.
built() {
	${GO:-go} run -exec true "$1" && ${GO:-go} run -exec echo "$1"
}
: "${HELM:=$(built helm.sh/helm/v4/cmd/helm@v4.3.1)}"
: "${KUBECONFORM:=$(built github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0)}"
# The last release that Go 1.26 builds.
: "${KUSTOMIZE:=$(built sigs.k8s.io/kustomize/kustomize/v5@v5.7.1)}"
export HELM KUBECONFORM KUSTOMIZE

# render FOLDER [ARGUMENTS]: what the chart makes, without its tests. Helm tells of the link to the alerts each time; its errors go through.
render() {
	local chart=$1
	shift
	"$HELM" template torchlit "$chart" --namespace torchlit --kube-version 1.37.2 --set image.repository=torchlit "$@" 2> >(grep -v 'symbolic link' >&2)
}
