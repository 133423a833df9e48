# shellcheck shell=bash
# What the scripts of the VMs share: metadata, the driver, the registry. It is sourced, on Container-Optimized OS, which has bash,
# curl, docker and systemd, and neither gcloud nor python.
set -euo pipefail
state=${TORCHLIT_STATE:-/var/lib/torchlit}
# The root is read-only, and docker's client keeps its settings in a home.
export HOME=$state/home
mkdir -p "$HOME"

say() { printf 'torchlit: %s\n' "$*"; }

# metadata prints a value of the metadata server, such as attributes/NAME, and fails where there is none.
metadata() { curl -fsS --retry 5 --retry-connrefused -H 'Metadata-Flavor: Google' "http://metadata.google.internal/computeMetadata/v1/$1"; }
attribute() { metadata "instance/attributes/torchlit-$1"; }
token() { metadata instance/service-accounts/default/token | sed -n 's/.*"access_token" *: *"\([^"]*\)".*/\1/p'; }

# gpu installs the driver and sets GPU to docker's arguments for it. No container toolkit is there: the libraries are mounted.
gpu() {
	local device driver
	GPU=()
	if [ "$1" = none ]; then return; fi
	driver=$(attribute driver)
	# A service that is started again has it already.
	if ! mountpoint -q /var/lib/nvidia; then
		say "installing the driver $driver"
		cos-extensions install gpu -- "-version=$driver"
		mount --bind /var/lib/nvidia /var/lib/nvidia
	fi
	mount -o remount,exec /var/lib/nvidia
	"${NVIDIA_SMI:-/var/lib/nvidia/bin/nvidia-smi}"
	GPU=(-v /var/lib/nvidia/lib64:/usr/local/nvidia/lib64:ro -e LD_LIBRARY_PATH=/usr/local/nvidia/lib64)
	for device in nvidia0 nvidiactl nvidia-uvm; do GPU+=(--device "/dev/$device"); done
}

# pull fetches an image, from Artifact Registry as the VM's own account, and tries again: a network may come late.
pull() {
	local host=${1%%/*} n
	if [[ $host == *-docker.pkg.dev ]]; then docker-credential-gcr configure-docker --registries="$host"; fi
	for n in 1 2 3 4 5; do
		if docker pull -q "$1"; then return; fi
		sleep $((n * ${TORCHLIT_PAUSE:-5}))
	done
	say "cannot pull $1: is it there, and may the VM's account read it (registry.sh)?"
	return 1
}
