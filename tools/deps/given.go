package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/torchlit/torchlit/tools/deps/internal/manifest"
)

// checkGiven checks a libtorch that the user brought: an unpacked libtorch archive, the
// torch folder of a Python installation, or a build of his own. The C++ side is written
// against one release's headers, so another version is refused here rather than by pages
// of compiler errors.
func checkGiven(dir, version, platform string, fl manifest.Flavour) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("LIBTORCH=%s cannot be used: %s; unset LIBTORCH to fetch libtorch %s", dir, fmt.Sprintf(format, args...), version)
	}
	if !filepath.IsAbs(dir) {
		return bad("the path must be absolute (the built library remembers it)")
	}
	ending := ".so"
	if strings.HasPrefix(platform, "darwin/") {
		ending = ".dylib"
	}
	libraries := []string{"libtorch_cpu", "libc10"}
	if fl == manifest.CUDA {
		libraries = append(libraries, "libtorch_cuda", "libc10_cuda")
	}
	for _, l := range libraries {
		if _, err := os.Stat(filepath.Join(dir, "lib", l+ending)); err != nil {
			return bad("there is no lib/%s%s", l, ending)
		}
	}
	got, err := headerVersion(dir)
	if err != nil {
		return bad("%v", err)
	}
	if got != version {
		return bad("its headers are of version %s, and Torchlit is written for %s", got, version)
	}
	return nil
}

var versionDefine = regexp.MustCompile(`(?m)^#define\s+TORCH_VERSION_(MAJOR|MINOR|PATCH)\s+(\d+)`)

// headerVersion reads the version out of libtorch's headers. The defines moved to
// headeronly/ in 2.9; the older place is read too, to be able to name an old version.
func headerVersion(dir string) (string, error) {
	for _, name := range []string{"include/torch/headeronly/version.h", "include/torch/csrc/api/include/torch/version.h"} {
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			continue
		}
		part := map[string]string{}
		for _, m := range versionDefine.FindAllStringSubmatch(string(b), -1) {
			part[m[1]] = m[2]
		}
		if len(part) == 3 {
			return part["MAJOR"] + "." + part["MINOR"] + "." + part["PATCH"], nil
		}
	}
	return "", fmt.Errorf("there is no include/torch/headeronly/version.h with TORCH_VERSION_MAJOR in it")
}
