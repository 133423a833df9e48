// Package turbojpeg decodes JPEG with libjpeg-turbo, which it finds at run time: a machine without the library, or a build
// without cgo, gets an error from Open that says what to install, and everything else works as before.
package turbojpeg

import (
	"errors"
	"fmt"
	"runtime"
)

// ErrNotFound is wrapped by Open's errors.
var ErrNotFound = errors.New("libjpeg-turbo not found")

// Pixel formats of the TurboJPEG API and their sizes in bytes.
const (
	formatRGB, sizeRGB   = 0, 3
	formatCMYK, sizeCMYK = 11, 4
)

// Names under which systems install the library. Homebrew's folder is not on macOS's search path, /opt/libjpeg-turbo is where
// the project's own packages go.
func names() []string {
	if runtime.GOOS == "darwin" {
		return []string{
			"libturbojpeg.0.dylib", "libturbojpeg.dylib",
			"/opt/homebrew/opt/jpeg-turbo/lib/libturbojpeg.0.dylib", "/usr/local/opt/jpeg-turbo/lib/libturbojpeg.0.dylib",
			"/opt/local/lib/libturbojpeg.0.dylib", "/opt/libjpeg-turbo/lib64/libturbojpeg.0.dylib",
		}
	}
	return []string{"libturbojpeg.so.0", "libturbojpeg.so", "/opt/libjpeg-turbo/lib64/libturbojpeg.so.0"}
}

// advice is the end of every error that a person can do something about.
func advice() string {
	if runtime.GOOS == "darwin" {
		return "install it with `brew install jpeg-turbo`"
	}
	return "install it with `apt-get install libturbojpeg0` (Debian; Ubuntu: libturbojpeg, Fedora: turbojpeg, Alpine: libjpeg-turbo)"
}

func notFound(why string) error {
	return fmt.Errorf("%w (%s): %s", ErrNotFound, why, advice())
}

// checkSizes panics when C would write beyond dst: the callers compute all three, so a mismatch is a mistake of ours.
func checkSizes(dst, data []byte, width, height, pixelSize int) {
	if width <= 0 || height <= 0 || len(dst) != width*height*pixelSize || len(data) == 0 {
		panic(fmt.Sprintf("BUG: turbojpeg: %d bytes for %d x %d pixels of %d bytes, from %d bytes", len(dst), width, height, pixelSize, len(data)))
	}
}
