//go:build cgo && unix

package turbojpeg

/*
#cgo CFLAGS: -O2 -Wall -Wextra
#cgo linux LDFLAGS: -ldl
#include <stdlib.h>
#include "turbojpeg.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"
)

// Library is the opened library. All methods may be called by many goroutines at once.
type Library struct {
	table *C.tl_turbojpeg // C memory, as long-lived as the library

	// idle holds decompressors between calls. The bound is far above the number of decodes that run at once on any machine;
	// what exceeds it is freed. A sync.Pool would drop decompressors without freeing them.
	idle chan *decompressor
}

// decompressor serves one goroutine at a time. text is part of it so that a call allocates nothing.
type decompressor struct {
	handle unsafe.Pointer
	text   [textSize]C.char
}

const (
	maxIdle  = 256
	textSize = 200 // the longest message of libjpeg (JMSG_LENGTH_MAX)
)

// Open finds the library. It stays loaded until the process ends, so callers open it once.
func Open() (*Library, error) {
	lib := &Library{
		table: (*C.tl_turbojpeg)(C.calloc(1, C.sizeof_tl_turbojpeg)),
		idle:  make(chan *decompressor, maxIdle),
	}
	var first string
	for _, name := range names() {
		var text [512]C.char
		cName := C.CString(name)
		rc := C.tl_turbojpeg_open(lib.table, cName, &text[0], C.size_t(len(text)))
		C.free(unsafe.Pointer(cName))
		if rc == 0 {
			return lib, nil
		}
		if first == "" {
			first = C.GoString(&text[0])
		}
	}
	C.free(unsafe.Pointer(lib.table))
	return nil, notFound(first)
}

// String names the library and the file it came from.
func (lib *Library) String() string {
	return fmt.Sprintf("libjpeg-turbo %d.x (%s)", int(lib.table.version), C.GoString(&lib.table.path[0]))
}

// DecodeRGB decodes a grey or colour JPEG to dst, width*height*3 bytes, with the accurate DCT and interpolated chroma, as
// Pillow does. A non-empty warning means that the pixels are there but parts may be grey or wrong.
func (lib *Library) DecodeRGB(dst, data []byte, width, height int) (warning string, err error) {
	return lib.decode(dst, data, width, height, sizeRGB, formatRGB)
}

// DecodeCMYK decodes a CMYK or YCCK JPEG to dst, width*height*4 bytes, with the values as the file has them (which by Adobe's
// convention means 255 for no ink).
func (lib *Library) DecodeCMYK(dst, data []byte, width, height int) (warning string, err error) {
	return lib.decode(dst, data, width, height, sizeCMYK, formatCMYK)
}

// decode is the one call into C. dst and data are Go memory that C does not keep.
func (lib *Library) decode(dst, data []byte, width, height, pixelSize, format int) (warning string, err error) {
	checkSizes(dst, data, width, height, pixelSize)
	d, err := lib.acquire()
	if err != nil {
		return "", err
	}
	defer lib.release(d)
	rc := C.tl_turbojpeg_decode(lib.table, d.handle,
		(*C.uchar)(unsafe.SliceData(data)), C.size_t(len(data)), (*C.uchar)(unsafe.SliceData(dst)),
		C.int(width), C.int(height), C.int(pixelSize), C.int(format), &d.text[0], textSize)
	switch {
	case rc == 0:
		return "", nil
	case rc > 0:
		return C.GoString(&d.text[0]), nil
	}
	text := C.GoString(&d.text[0])
	if _, after, ok := strings.Cut(text, "(): "); ok { // its own mistakes begin with the function's name, libjpeg's do not
		text = after
	}
	return "", errors.New(text)
}

func (lib *Library) acquire() (*decompressor, error) {
	select {
	case d := <-lib.idle:
		return d, nil
	default:
	}
	if handle := C.tl_turbojpeg_new(lib.table); handle != nil {
		return &decompressor{handle: handle}, nil
	}
	return nil, errors.New("libjpeg-turbo has no memory for a decompressor")
}

func (lib *Library) release(d *decompressor) {
	select {
	case lib.idle <- d:
	default:
		C.tl_turbojpeg_free(lib.table, d.handle)
	}
}
