# shellcheck shell=bash
# Debian by debootstrap, with this machine's Go in it, for whoever needs a machine that has nothing else. To be sourced:
#
#	debian_root FOLDER     makes it, of the release that runs here
#	debian_settings        prints the settings of go and pip that hold here, lines of NAME=value
#
# apt, pip and go find the packages in there that they find here: their settings and this machine's certificates come along, and
# nothing of their caches. Needs root and debootstrap.

debian_root() {
	local root=$1 file mirror
	# shellcheck source=/dev/null
	. /etc/os-release
	mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
		sed -n -E 's#^(URIs:|deb( \[[^]]*\])?) *([^ ]+/debian/?)( .*)?$#\3#p' | head -n 1) || true
	debootstrap --variant=minbase --include=ca-certificates "$VERSION_CODENAME" "$root" ${mirror:+"$mirror"} >&2

	rm -rf "$root/etc/apt/sources.list" "$root/etc/apt/sources.list.d" "$root/etc/apt/apt.conf.d"
	cp -r /etc/apt/sources.list.d /etc/apt/apt.conf.d "$root/etc/apt/"
	install -D -m 755 /dev/stdin "$root/usr/sbin/policy-rc.d" <<<$'#!/bin/sh\nexit 101' # as in Docker's images: a package starts no service
	for file in /etc/apt/sources.list /etc/pip.conf; do
		if [ -e "$file" ]; then cp "$file" "$root$file"; fi
	done
	cp -r /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
	cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
	mkdir -p "$root/usr/local/go"
	cp -rL "$(go env GOROOT)/." "$root/usr/local/go/"
}

debian_settings() {
	local name
	for name in GOPROXY GOSUMDB GONOSUMDB GOFLAGS GOTOOLCHAIN; do
		printf '%s=%s\n' "$name" "$(go env "$name")"
	done
	for name in $(compgen -e PIP_) SSL_CERT_FILE; do
		if [ -n "${!name:-}" ]; then printf '%s=%s\n' "$name" "${!name}"; fi
	done
}
