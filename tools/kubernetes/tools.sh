# shellcheck shell=bash
# The programs that check and write what deploy has for Kubernetes: HELM, KUBECONFORM and KUSTOMIZE. Each is a command of one word, which can be given by a
# variable of the same name. They are built once, under .deps; helm takes minutes. It is sourced, in the root of the repository.

# built NAME MODULE@VERSION: where the program is.
built() {
	local path=$PWD/.deps/kubernetes/$1-${2##*@} part
	if [ ! -x "$path" ]; then
		mkdir -p .deps/kubernetes
		part=$(mktemp -d .deps/kubernetes/part.XXXXXX)
		echo "building $1" >&2
		if ! GOBIN=$PWD/$part ${GO:-go} install "$2"; then
			rm -rf "$part"
			return 1
		fi
		mv "$part/$1" "$path"
		rm -rf "$part"
	fi
	echo "$path"
}
HELM=${HELM:-$(built helm helm.sh/helm/v4/cmd/helm@v4.3.1)}
KUBECONFORM=${KUBECONFORM:-$(built kubeconform github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0)}
# The last release that Go 1.26 builds.
KUSTOMIZE=${KUSTOMIZE:-$(built kustomize sigs.k8s.io/kustomize/kustomize/v5@v5.7.1)}
export HELM KUBECONFORM KUSTOMIZE

# render FOLDER [ARGUMENTS]: what the chart makes. Helm tells of the link to the alerts each time; its errors go through.
render() {
	local chart=$1
	shift
	"$HELM" template torchlit "$chart" --namespace torchlit --kube-version 1.37.2 --set image.repository=torchlit "$@" 2> >(grep -v 'symbolic link' >&2)
}
