// Package weights opens files of weights, whatever made them: safetensors, and what
// torch.save wrote of a state dict, of a checkpoint with one in it (Lightning, timm,
// torchvision's references), or of a whole network.
//
// A pickled file is a program; no part of it is run here. What a checkpoint holds beside
// tensors, such as a training program's configuration, is passed over; a file that names
// what is only good for doing harm is refused. Opening costs the header only: tensors are
// read when they are asked for. No libtorch is needed.
package weights

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/torchlit/torchlit/torch/internal/ptfile"
	"github.com/torchlit/torchlit/torch/safetensors"
)

// File is an open file of weights. Any number of goroutines may read from it at once;
// Close must not run meanwhile.
type File struct {
	path    string
	names   []string // as they stand in the file, in its order
	prefix  string
	section string
	tensors source
	close   func() error
}

// source is one of the two formats.
type source interface {
	shape(name string) ([]int64, bool)
	read(name string) (safetensors.View, error)
}

// Open opens the file at path. Its format is told by its content, not by its name. The
// errors name the path. The caller closes the File.
func Open(path string) (*File, error) {
	file, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read weights %q: %w", path, err)
	}
	file.path = path
	return file, nil
}

func open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		if p := (*os.PathError)(nil); errors.As(err, &p) {
			err = p.Err // the caller names the path
		}
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err == nil {
		err = sniff(f)
	}
	var file *File
	switch {
	case errors.Is(err, errSafetensors):
		f.Close()
		return openSafetensors(path)
	case err == nil:
		file, err = openPickled(f, info.Size())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	file.close = f.Close
	return file, nil
}

// errSafetensors is no error: it is what sniff found.
var errSafetensors = errors.New("safetensors")

// sniff tells the formats apart, and files that are nothing at all.
func sniff(f *os.File) error {
	head := make([]byte, 32)
	n, _ := f.ReadAt(head, 0)
	switch head = head[:n]; {
	case n == 0:
		return errors.New("it is empty; copy it again")
	case strings.HasPrefix(string(head), "version https://git-lfs"):
		return errors.New("it is a Git LFS pointer instead of the file itself; run `git lfs pull`")
	case strings.HasPrefix(string(head), "<"):
		return errors.New("it is a web page; download the file itself")
	case n > 8 && head[8] == '{' && head[7] == 0:
		return errSafetensors
	case filepath.Ext(f.Name()) == ".safetensors" && !strings.HasPrefix(string(head), "PK") && head[0] != 0x80:
		return errSafetensors // whose reader says best what is wrong with it
	}
	return nil
}

func openSafetensors(path string) (*File, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, errors.Unwrap(err) // it names the path, too
	}
	return &File{names: f.Names(), tensors: safe{f}, close: f.Close}, nil
}

type safe struct{ *safetensors.File }

func (s safe) shape(name string) ([]int64, bool) {
	v, ok := s.Tensor(name)
	return v.Shape, ok
}

func (s safe) read(name string) (safetensors.View, error) {
	v, _ := s.Tensor(name)
	return v, nil
}

// Names returns the tensors' names, in the file's order: those below the prefix that
// [File.Descend] chose, without it. The slice is the caller's.
func (f *File) Names() []string {
	var names []string
	for _, name := range f.names {
		if name, ok := strings.CutPrefix(name, f.prefix); ok {
			names = append(names, name)
		}
	}
	return names
}

// Shape returns the sizes of a tensor.
func (f *File) Shape(name string) ([]int64, bool) { return f.tensors.shape(f.prefix + name) }

// Tensor reads a tensor, row-major and little-endian whatever it is in the file. What
// came from a safetensors file is borrowed until Close. The errors name the tensor.
func (f *File) Tensor(name string) (safetensors.View, error) {
	if _, ok := f.Shape(name); !ok {
		return safetensors.View{}, fmt.Errorf("tensor %q is missing", name)
	}
	v, err := f.tensors.read(f.prefix + name)
	if err != nil {
		return safetensors.View{}, fmt.Errorf("cannot read tensor %q: %w", name, err)
	}
	v.Name = name
	return v, nil
}

// Section says which part of a checkpoint the tensors are, such as "state_dict"; "" for
// a file that is a state dict itself.
func (f *File) Section() string { return f.section }

// Prefix returns what [File.Descend] chose.
func (f *File) Prefix() string { return f.prefix }

// Path returns what the File was opened from.
func (f *File) Path() string { return f.path }

// Descend makes the names relative to the network that has the tensor called anchor:
// training programs store networks as parts of others, under names such as
// "module.", "model." and "backbone.". A file that does not have the anchor is left as
// it is. Of several networks the one that is not prefixed is taken, or the one that is
// called a moving average ("ema"); otherwise it is an error that names them.
func (f *File) Descend(anchor string) error {
	var prefixes []string
	for _, name := range f.names {
		if p, ok := strings.CutSuffix(name, anchor); ok && (p == "" || strings.HasSuffix(p, ".")) {
			prefixes = append(prefixes, p)
		}
	}
	switch {
	case len(prefixes) == 0:
		return nil
	case len(prefixes) == 1:
		f.prefix = prefixes[0]
		return nil
	case slices.Contains(prefixes, ""):
		return nil
	}
	average := slices.DeleteFunc(slices.Clone(prefixes), func(p string) bool { return !strings.Contains(strings.ToLower(p), "ema") })
	if len(average) != 1 {
		return fmt.Errorf("cannot choose among the networks %q of %q: save the one that is meant alone", prefixes, f.path)
	}
	f.prefix = average[0]
	return nil
}

// Close ends the File and what was borrowed from it. Closing twice is an error of the
// operating system at worst.
func (f *File) Close() error { return f.close() }

// dtype is the safetensors name of an element type; "" where there is none.
func dtype(d ptfile.DType) safetensors.DType {
	return map[ptfile.DType]safetensors.DType{
		0: safetensors.U8, 1: safetensors.I8, 2: safetensors.I16, 3: safetensors.I32, 4: safetensors.I64,
		5: safetensors.F16, 6: safetensors.F32, 7: safetensors.F64, 11: safetensors.Bool, 15: safetensors.BF16,
		23: safetensors.F8E5M2, 24: safetensors.F8E4M3, 27: safetensors.U16, 28: safetensors.U32, 29: safetensors.U64,
	}[d]
}
