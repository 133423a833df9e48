#!/usr/bin/env bash
# Builds libturbojpeg.so with AddressSanitizer and UndefinedBehaviorSanitizer into the folder given, from the source package of Debian or
# Ubuntu, so that it is the code of the library that they install. The release is pinned by the hash of its source; apt checks
# what the distribution's patches should be. Its assembly is left out: no sanitizer sees what that reads and writes.
set -euo pipefail
release=2.1.5
sha256=254f3642b04e309fee775123133c6464181addc150499561020312ec61c1bf7c
self=$(realpath "$0")
mkdir -p "${1:?the folder to build in}"
cd "$1"
stamp=$(sha256sum "$self" | cut -d' ' -f1)
[ "$(cat stamp 2>/dev/null)" != "$stamp" ] || exit 0
for tool in apt-get dpkg-source cmake cc make; do
	command -v "$tool" >/dev/null || { echo "jpegasan: no $tool found; apt-get install dpkg-dev cmake g++ make" >&2; exit 1; }
done
rm -rf ./*
mkdir -p sources lists/partial cache/archives/partial

# The machine's own package sources with the source packages that belong to them, for these calls alone.
for file in /etc/apt/sources.list.d/*.sources; do
	[ ! -f "$file" ] || sed 's/^Types:.*/Types: deb-src/' "$file" >"sources/$(basename "$file")"
done
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
	[ ! -f "$file" ] || sed -n 's/^deb /deb-src /p' "$file" >"sources/$(basename "$file")"
done
apt() {
	apt-get -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$PWD/sources" \
		-o Dir::State::Lists="$PWD/lists" -o Dir::Cache="$PWD/cache" -o APT::Sandbox::User="$(id -un)" "$@"
}
{
	apt update
	apt source --download-only libjpeg-turbo
	echo "$sha256  libjpeg-turbo_$release.orig.tar.gz" | sha256sum -c
	dpkg-source --no-check -x libjpeg-turbo_*.dsc source
	cmake -S source -B build -DCMAKE_BUILD_TYPE=Debug -DWITH_SIMD=0 -DENABLE_STATIC=0 -DWITH_JAVA=0 \
		-DCMAKE_C_FLAGS='-O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'
	make -C build -j2 turbojpeg
	grep -q __ubsan_handle build/libturbojpeg.so.0
} >log 2>&1 || { tail -n 20 log >&2; echo "jpegasan: libjpeg-turbo $release was not built" >&2; exit 1; }
rm -rf lists cache
mv build/libturbojpeg.so.0* .
echo "$stamp" >stamp
