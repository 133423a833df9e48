//go:build !cgo || !unix

package turbojpeg

// Library is never opened in a build without cgo; its methods are there so that callers compile.
type Library struct{}

// Open always fails in this build.
func Open() (*Library, error) {
	return nil, notFound("this binary was built with CGO_ENABLED=0; build with cgo")
}

// String is never reached.
func (*Library) String() string { panic("BUG: turbojpeg: no library in this build") }

// DecodeRGB is never reached.
func (*Library) DecodeRGB(_, _ []byte, _, _ int) (string, error) {
	panic("BUG: turbojpeg: no library in this build")
}

// DecodeCMYK is never reached.
func (*Library) DecodeCMYK(_, _ []byte, _, _ int) (string, error) {
	panic("BUG: turbojpeg: no library in this build")
}
