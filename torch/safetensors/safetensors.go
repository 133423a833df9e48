// Package safetensors reads and writes the safetensors file format in pure Go.
//
// A file is an 8-byte little-endian length N, then N bytes of JSON that name
// each tensor with its dtype, shape and byte range, then the tensors' bytes
// with nothing between them:
//
//	[N: u64] {"fc.bias":{"dtype":"F32","shape":[10],"data_offsets":[0,40]},…}   [data]
//
// The format runs no code and every byte is accounted for, and this package
// holds it to that: a file with a hole, an overlap, a repeated key or a range
// outside of the file is refused with an error that names the tensor. [Open]
// maps the file, so that opening costs the header only and tensors are read
// from the page cache where they lie. [Write] makes the same bytes as the
// reference implementation does for the same tensors.
package safetensors

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"sync/atomic"
)

// ErrFormat is wrapped by every error about a file's content, as opposed to
// errors of the operating system.
var ErrFormat = errors.New("not a sound safetensors file")

// View is one tensor: what it is called, what it holds, and its bytes in
// row-major order, little-endian.
//
// The Shape and Data of a View that a [File] handed out are borrowed from it:
// they may only be read, and only until the File is closed.
type View struct {
	Name  string
	DType DType
	Shape []int64 // empty for a scalar
	Data  []byte
}

// Numel is the number of elements.
func (v View) Numel() int {
	size := v.DType.Size()
	if size == 0 {
		return 0
	}
	return len(v.Data) / size
}

// File is an open safetensors file.
//
// Any number of goroutines may read from it at once. Close must not run while
// one of them still uses a View: the memory behind it goes away, and touching
// it kills the process. For the same reason a file that may be open somewhere
// is replaced by renaming another one over it, as [Write] does, and never
// truncated or rewritten in place.
type File struct {
	names    []string
	tensors  map[string]View
	metadata map[string]string
	release  func() error // unmaps; nil when Go's heap owns the bytes
	closed   atomic.Bool
}

// Open maps the file at path and checks its whole header; tensor bytes are not
// read yet. The errors name the path; those about the content wrap [ErrFormat].
// The caller closes the File.
func Open(path string) (*File, error) {
	data, release, err := mapFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open safetensors file %q: %w", path, err)
	}
	f, err := Parse(data)
	if err != nil {
		_ = release() // the format error is the one to report
		return nil, fmt.Errorf("cannot read safetensors file %q: %w", path, err)
	}
	f.release = release
	return f, nil
}

// Parse reads a whole file that is already in memory. The File borrows data,
// which must not change as long as the File is used; closing it is optional.
func Parse(data []byte) (*File, error) {
	f, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return f, nil
}

// Names are the tensors' names in the order of their bytes in the file. The
// caller may not change the slice.
func (f *File) Names() []string {
	f.mustBeOpen()
	return f.names
}

// Tensor finds a tensor by name. It copies nothing and allocates nothing.
func (f *File) Tensor(name string) (View, bool) {
	f.mustBeOpen()
	v, ok := f.tensors[name]
	return v, ok
}

// Metadata is a copy of the file's free-form strings; nil when it has none.
func (f *File) Metadata() map[string]string { return maps.Clone(f.metadata) }

// Close unmaps the file. All Views of it end here. Closing twice does nothing.
func (f *File) Close() error {
	if f.closed.Swap(true) || f.release == nil {
		return nil
	}
	if err := f.release(); err != nil {
		return fmt.Errorf("cannot close safetensors file: %w", err)
	}
	return nil
}

func (f *File) mustBeOpen() {
	if f.closed.Load() {
		panic("BUG: safetensors file used after Close")
	}
}

// openSized opens path for reading and refuses what can be no model file
// before any memory is spent on it.
func openSized(path string) (*os.File, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err == nil && int64(int(info.Size())) != info.Size() {
		err = fmt.Errorf("%d bytes do not fit into this machine's address space", info.Size())
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}
