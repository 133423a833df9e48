# shellcheck shell=bash
# The programs that check and write what deploy has for Kubernetes: HELM, KUBECONFORM and KUSTOMIZE. Each is a command of one word, which can be given by a
# variable of the same name. They are built once, under .deps; helm takes minutes. It is sourced, in the root of the repository.

# built NAME PACKAGE@VERSION: where the program is.
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
		mv "$part"/* "$path" # the only program in it, which go may call otherwise
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

# cluster sets ETCD and APISERVER, of which one can make a cluster without nodes. Building the second takes a quarter of an hour.
cluster() {
	local version program
	version=$(awk '$1 == "k8s.io/kubernetes" {print $2}' tools/kubernetes/cluster/go.mod)
	for program in etcd apiserver; do
		if [ ! -x ".deps/kubernetes/$program-$version" ]; then
			echo "building $program" >&2
			${GO:-go} build -C tools/kubernetes/cluster -o "$PWD/.deps/kubernetes/$program-$version" \
				-ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=$(cut -d . -f 2 <<<"$version")" "./$program"
		fi
	done
	export ETCD=$PWD/.deps/kubernetes/etcd-$version APISERVER=$PWD/.deps/kubernetes/apiserver-$version
}
