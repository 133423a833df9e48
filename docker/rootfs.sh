#!/usr/bin/env bash
# Makes the root of an image out of a built tree: rootfs.sh FOLDER. It holds what bin/torchlit opens when it serves, and the
# C libraries that these are linked with, stripped of what only debuggers read. For each Debian package that a file is from, the
# package's record lies in /var/lib/dpkg/status.d, where scanners look in images without a package manager.
set -euo pipefail
cd "$(dirname "$0")/.."
root=${1:?usage: docker/rootfs.sh FOLDER}
app=$root/opt/torchlit

# install FILE TARGET: a library or program without its debugging symbols.
install_stripped() {
	install -D -m 755 "$1" "$2"
	strip --strip-unneeded "$2"
}

install_stripped bin/torchlit "$app/bin/torchlit"
for library in .deps/native/libtorchlit.so .deps/native/libtorchlit_cuda.so; do
	if [ -e "$library" ]; then install_stripped "$library" "$app/lib/${library##*/}"; fi
done
for library in .deps/libtorch/lib/*.so*; do # where RUNPATH, $ORIGIN/../libtorch/lib, leads
	install_stripped "$library" "$app/libtorch/lib/${library##*/}"
done
mkdir -p "$app/models"
cp -r models/cifar10-resnet18 "$app/models/"
install -D -m 644 LICENSE docs/source/licences.md -t "$app"

# The C libraries: what these are linked with, and the decoder of JPEG, which is opened by name.
record() {
	local package
	package=$(dpkg -S "$1" 2>/dev/null | head -n 1 | cut -d: -f1) || true
	if [ -z "$package" ]; then return; fi
	mkdir -p "$root/var/lib/dpkg/status.d"
	dpkg -s "$package" >"$root/var/lib/dpkg/status.d/$package"
	if [ -e "/usr/share/doc/$package/copyright" ]; then install -D -m 644 "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"; fi
}
turbojpeg=$(find /usr/lib -name 'libturbojpeg.so.0' | head -n 1)
{
	echo "$turbojpeg"
	find "$app" -type f \( -name '*.so*' -o -name torchlit \) -print0 | xargs -0 -n 1 ldd 2>/dev/null
	ldd "$turbojpeg"
} | grep -o '/[^ ]*' | grep -v "^$app" | grep -v "$PWD/.deps" | sort -u | while read -r library; do
	real=$(realpath "$library")
	install -D -m 755 "$real" "$root$library"
	record "$library"
	record "$real"
done
if ! [ -e "$root$turbojpeg" ]; then
	echo "rootfs.sh: libturbojpeg is not there: apt-get install libturbojpeg0" >&2
	exit 1
fi

install -D -m 644 /etc/ssl/certs/ca-certificates.crt -t "$root/etc/ssl/certs"
install -m 644 /dev/stdin "$root/etc/passwd" <<-'PASSWD'
	root:x:0:0:root:/:/nologin
	nobody:x:65534:65534:nobody:/:/nologin
	torchlit:x:65532:65532:torchlit:/:/nologin
PASSWD
install -m 644 /dev/stdin "$root/etc/group" <<<$'root:x:0:\nnogroup:x:65534:\ntorchlit:x:65532:'
install -m 644 /dev/stdin "$root/etc/nsswitch.conf" <<<'hosts: files dns'
mkdir -m 1777 "$root/tmp"
# var gets what the umask gives, which is the same.
# shellcheck disable=SC2174
mkdir -p -m 755 "$root/var/lib"
mkdir -m 1777 "$root/var/lib/torchlit" # a volume there is begun with its rights: the prediction log is written to it

du -sh "$root" | cut -f1
