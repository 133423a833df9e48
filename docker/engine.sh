# shellcheck shell=bash disable=SC2034
# Sets engine to what runs containers, docker where its daemon answers, else podman, and options to what it needs here. It is sourced.

# Without systemd, with cgroups of version 1, and without the right to raise limits, podman runs containers by runc and so.
engine=(podman --runtime runc --cgroup-manager cgroupfs)
options=(--no-healthcheck --ulimit nofile=4096:4096 --ulimit nproc=4096:4096)
if docker info >/dev/null 2>&1; then
	engine=(docker)
	options=()
fi
