#!/usr/bin/env bash
# Makes the root of an image out of a built tree: rootfs.sh FOLDER. It holds what bin/torchlit opens when it serves and trains, and the
# C libraries that these are linked with, stripped of what only debuggers read. For each Debian package that a file is from, the
# package's record lies in /var/lib/dpkg/status.d, where scanners look in images without a package manager.
set -euo pipefail
cd "$(dirname "$0")/.."
root=${1:?usage: docker/rootfs.sh FOLDER}
app=$root/opt/torchlit

# install_stripped FILE TARGET: a library or program without its debugging symbols. NVIDIA's come without them, and stay byte for byte what they are.
install_stripped() {
	install -D -m 755 "$1" "$2"
	case ${2##*/} in
	libcu* | libnv* | libnccl* | nvshmem*) ;;
	*) strip --strip-unneeded "$2" ;;
	esac
}

install_stripped bin/torchlit "$app/bin/torchlit"
for library in .deps/native/libtorchlit.so .deps/native/libtorchlit_cuda.so; do
	if [ -e "$library" ]; then install_stripped "$library" "$app/lib/${library##*/}"; fi
done
# Of libtorch's folder, where RUNPATH, $ORIGIN/../libtorch/lib, leads: what these are linked with, directly or not, and what is opened by name. Left
# out is what nothing here calls: linear algebra on GPUs (libtorch_cuda_linalg and cuSOLVER), and how hosts of NVSHMEM find each other.
wanted=("$app/bin/torchlit" "$app"/lib/*.so)
for name in libcaffe2_nvrtc.so libnvrtc-builtins.so.13.0 libcudnn_{adv,cnn,engines_precompiled,engines_runtime_compiled,graph,heuristic,ops}.so.9; do
	if [ -e ".deps/libtorch/lib/$name" ]; then wanted+=(".deps/libtorch/lib/$name"); fi
done
declare -A taken=()
while ((${#wanted[@]})); do
	file=${wanted[0]}
	wanted=("${wanted[@]:1}")
	if [ -n "${taken[$file]:-}" ]; then continue; fi
	taken[$file]=1
	if [[ $file == .deps/* ]]; then install_stripped "$file" "$app/libtorch/lib/${file##*/}"; fi
	while read -r name; do
		if [ -e ".deps/libtorch/lib/$name" ]; then wanted+=(".deps/libtorch/lib/$name"); fi
	done < <(readelf -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
done
for library in .deps/libtorch/lib/*.so*; do
	if [ -z "${taken[$library]:-}" ]; then echo "left out: ${library##*/}, $(du -m "$library" | cut -f1) MB"; fi
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

# Nothing else will be there. The driver's own library comes with the machine.
loader=$(find "$root"/lib* -name 'ld-linux-*.so.*' | head -n 1)
missing=$(find "$app" -type f \( -name '*.so*' -o -name torchlit \) -printf '/opt/torchlit/%P\n' | while read -r file; do
	chroot "$root" "${loader#"$root"}" --list "$file" 2>&1 | grep -E 'not found|cannot open|symbol lookup' | grep -v 'libcuda\.so\.1' | sed "s|^|$file: |" || true
done)
if [ -n "$missing" ]; then
	echo "rootfs.sh: libraries are missing in the image: $missing" >&2
	exit 1
fi

install -D -m 644 /etc/ssl/certs/ca-certificates.crt -t "$root/etc/ssl/certs"
# By this file NVIDIA's container toolkit knows in which of the folders of libraries the loader looks.
if [ -e /etc/debian_version ]; then install -m 644 /etc/debian_version -t "$root/etc"; fi
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
