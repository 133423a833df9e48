package torch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/torchlit/torchlit/torch/internal/atomicfile"
	"github.com/torchlit/torchlit/torch/internal/libtorch"
	"github.com/torchlit/torchlit/torch/internal/ptfile"
)

// Files of PyTorch.
//
// What Save and SaveDict write, torch.load reads in Python with its default
// settings, and the other way round: dtype, shape, device and whether a gradient
// is required. Files are replaced whole or not at all. Reading runs no code of
// the file: one that is cut, damaged or made to harm is an error.

var opAsStrided = libtorch.NewOp("aten::as_strided")

// Save writes t to a file. It panics where [TrySave] returns an error.
func (t Tensor) Save(path string) { mustFile("torch.Save", TrySave(t, path)) }

// TrySave writes t to a file that Python's torch.load reads.
func TrySave(t Tensor, path string) error {
	return save(path, func(w io.Writer) error { return encode(w, t) })
}

// SaveDict writes tensors by name, such as a module's state dict. It panics where
// [TrySaveDict] returns an error.
func SaveDict(tensors map[string]Tensor, path string) {
	mustFile("torch.SaveDict", TrySaveDict(tensors, path))
}

// TrySaveDict writes tensors by name to a file that Python's torch.load reads as
// an OrderedDict. Names that have the same Tensor share it in the file.
func TrySaveDict(tensors map[string]Tensor, path string) error {
	return save(path, func(w io.Writer) error { return encodeDict(w, tensors) })
}

// Load reads a tensor from a file of Save or of Python's torch.save. It comes on
// the device that it was saved from, or on the one given. Load panics where
// [TryLoad] returns an error.
func Load(path string, device ...Device) Tensor {
	t, err := TryLoad(path, device...)
	mustFile("torch.Load", err)
	return t
}

// TryLoad is Load with an error instead of a panic. The error wraps that of the
// operating system when the file cannot be read.
func TryLoad(path string, device ...Device) (t Tensor, err error) {
	err = load(path, func(r io.ReaderAt, size int64) error {
		t, err = decode(r, size, device)
		return err
	})
	return t, err
}

// LoadDict reads tensors by name from a file of SaveDict or of Python's
// torch.save of a dictionary of tensors. Tensors that shared memory share it
// again. LoadDict panics where [TryLoadDict] returns an error.
func LoadDict(path string, device ...Device) map[string]Tensor {
	tensors, err := TryLoadDict(path, device...)
	mustFile("torch.LoadDict", err)
	return tensors
}

// TryLoadDict is LoadDict with an error instead of a panic.
func TryLoadDict(path string, device ...Device) (tensors map[string]Tensor, err error) {
	err = load(path, func(r io.ReaderAt, size int64) error {
		tensors, err = decodeDict(r, size, device)
		return err
	})
	return tensors, err
}

// mustFile panics with an Error, as every function that panics does.
func mustFile(op string, err error) {
	if err != nil {
		panic(&Error{Op: op, Text: err.Error()})
	}
}

func save(path string, fill func(io.Writer) error) error {
	if err := atomicfile.Write(path, fill); err != nil {
		return fmt.Errorf("cannot save %q: %w", path, err)
	}
	return nil
}

func load(path string, read func(io.ReaderAt, int64) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot load %q: %w", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		err = read(f, info.Size())
	}
	if err != nil {
		return fmt.Errorf("cannot load %q: %w", path, err)
	}
	return nil
}

func encode(w io.Writer, t Tensor) error {
	file, err := describe(t)
	if err != nil {
		return err
	}
	return ptfile.Write(w, file)
}

func encodeDict(w io.Writer, tensors map[string]Tensor) error {
	var dict ptfile.Dict
	known := map[Tensor]*ptfile.Tensor{}
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		t := tensors[name]
		if known[t] == nil {
			file, err := describe(t)
			if err != nil {
				return fmt.Errorf("tensor %q: %w", name, err)
			}
			known[t] = file
		}
		dict.Items = append(dict.Items, ptfile.Item{Key: name, Value: known[t]})
	}
	return ptfile.Write(w, &dict)
}

// describe tells the file what t is. Its elements are read in row-major order,
// whatever its strides, and only when they are written.
func describe(t Tensor) (file *ptfile.Tensor, err error) {
	err = Try(func() {
		info := t.info()
		file = &ptfile.Tensor{
			DType:        ptfile.DType(info.DType),
			Sizes:        info.Sizes[:info.Dims],
			Strides:      rowMajor(info.Sizes[:info.Dims]),
			RequiresGrad: info.RequiresGrad != 0,
			Storage: &ptfile.Storage{
				Location: Device{info.DeviceType, info.DeviceIndex}.String(),
				Bytes:    info.Bytes,
				Read: func() (data []byte, err error) {
					err = Try(func() { data = t.Bytes() })
					return data, err
				},
			},
		}
	})
	return file, err
}

func rowMajor(sizes []int64) []int64 {
	strides := make([]int64, len(sizes))
	step := int64(1)
	for i := len(sizes) - 1; i >= 0; i-- {
		strides[i] = step
		step *= max(1, sizes[i])
	}
	return strides
}

// loader makes the tensors of one file.
type loader struct {
	device []Device // where to, if given
	flat   map[flatKey]Tensor
}

// flatKey is a storage seen as elements of a type.
type flatKey struct {
	storage *ptfile.Storage
	dtype   ptfile.DType
}

func newLoader(device []Device) *loader {
	return &loader{device, map[flatKey]Tensor{}}
}

// close drops the storages; the tensors made of them keep what they need.
func (l *loader) close() {
	for _, t := range l.flat {
		t.Close()
	}
}

func decode(r io.ReaderAt, size int64, device []Device) (Tensor, error) {
	v, err := ptfile.Read(r, size)
	if err != nil {
		return Tensor{}, err
	}
	file, ok := v.(*ptfile.Tensor)
	if !ok {
		return Tensor{}, fmt.Errorf("the file holds %s, not a tensor; LoadDict reads dictionaries", ptfile.Describe(v))
	}
	l := newLoader(device)
	defer l.close()
	return l.tensor(file)
}

func decodeDict(r io.ReaderAt, size int64, device []Device) (map[string]Tensor, error) {
	v, err := ptfile.Read(r, size)
	if err != nil {
		return nil, err
	}
	dict, ok := v.(*ptfile.Dict)
	if !ok {
		return nil, fmt.Errorf("the file holds %s, not a dictionary; Load reads a tensor", ptfile.Describe(v))
	}
	l := newLoader(device)
	defer l.close()
	tensors := make(map[string]Tensor, len(dict.Items))
	for _, item := range dict.Items {
		name, t, err := l.entry(item)
		if err != nil {
			for _, t := range tensors {
				t.Close()
			}
			return nil, err
		}
		tensors[name].Close() // a name that comes twice
		tensors[name] = t
	}
	return tensors, nil
}

func (l *loader) entry(item ptfile.Item) (string, Tensor, error) {
	name, ok := item.Key.(string)
	if !ok {
		return "", Tensor{}, fmt.Errorf("the dictionary has %s as a key, not a name", ptfile.Describe(item.Key))
	}
	file, ok := item.Value.(*ptfile.Tensor)
	if !ok {
		return "", Tensor{}, fmt.Errorf("entry %q is %s, not a tensor; save the state dict alone", name, ptfile.Describe(item.Value))
	}
	t, err := l.tensor(file)
	if err != nil {
		return "", Tensor{}, fmt.Errorf("entry %q: %w", name, err)
	}
	return name, t, nil
}

// tensor makes a tensor as a view of its storage, with the strides that it had.
func (l *loader) tensor(file *ptfile.Tensor) (t Tensor, err error) {
	flat, err := l.storage(file)
	if err != nil {
		return Tensor{}, err
	}
	var c call
	c.tensor(flat)
	c.Ints(file.Sizes...).Ints(file.Strides...).Int(file.Offset)
	t, err = c.try(opAsStrided)
	if err == nil && file.RequiresGrad {
		if err = Try(func() { t.SetRequiresGrad(true) }); err != nil {
			t.Close()
		}
	}
	return t, err
}

// storage makes a storage's elements a tensor of one dimension, once.
func (l *loader) storage(file *ptfile.Tensor) (Tensor, error) {
	key := flatKey{file.Storage, file.DType}
	if t, ok := l.flat[key]; ok {
		return t, nil
	}
	device, err := l.place(file.Storage.Location)
	if err != nil {
		return Tensor{}, err
	}
	data, err := file.Storage.Read()
	if err != nil {
		return Tensor{}, err
	}
	size := ptfile.Size(file.DType)
	var t Tensor
	err = Try(func() {
		t = FromBytes(data[:int64(len(data))/size*size], int8(file.DType), int64(len(data))/size).move(device)
	})
	if err == nil {
		l.flat[key] = t
	}
	return t, err
}

// move hands t over to a device: when that is another one, t is closed.
func (t Tensor) move(device Device) Tensor {
	if device.kind == 0 {
		return t
	}
	defer t.Close()
	return t.To(device)
}

func (l *loader) place(saved string) (Device, error) {
	if len(l.device) > 0 {
		return l.device[0], nil
	}
	d, err := ParseDevice(saved)
	if err != nil {
		return Device{}, fmt.Errorf("a tensor was saved from device %q; say which device to load it to", saved)
	}
	return d, nil
}

// GobEncode encodes t for encoding/gob: the bytes are those of a file of Save.
func (t Tensor) GobEncode() ([]byte, error) {
	var b bytes.Buffer
	if err := encode(&b, t); err != nil {
		return nil, fmt.Errorf("cannot encode a tensor: %w", err)
	}
	return b.Bytes(), nil
}

// GobDecode makes t the tensor that was encoded. What t was before is neither
// changed nor closed, as other copies may refer to it.
func (t *Tensor) GobDecode(data []byte) error {
	if len(data) == 0 {
		return errors.New("cannot decode a tensor: no data")
	}
	decoded, err := decode(bytes.NewReader(data), int64(len(data)), nil)
	if err != nil {
		return fmt.Errorf("cannot decode a tensor: %w", err)
	}
	*t = decoded
	return nil
}
