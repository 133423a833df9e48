package torch

import (
	"fmt"
	"maps"
	"slices"

	"github.com/torchlit/torchlit/torch/safetensors"
)

// safetensorsTypes pairs the element types with their names in a file.
var safetensorsTypes = []struct {
	dtype int8
	name  safetensors.DType
}{
	{Bool, safetensors.Bool},
	{Byte, safetensors.U8},
	{Char, safetensors.I8},
	{Short, safetensors.I16},
	{Int, safetensors.I32},
	{Long, safetensors.I64},
	{Half, safetensors.F16},
	{BFloat16, safetensors.BF16},
	{Float, safetensors.F32},
	{Double, safetensors.F64},
	{23, safetensors.F8E5M2},
	{24, safetensors.F8E4M3},
	{27, safetensors.U16},
	{28, safetensors.U32},
	{29, safetensors.U64},
}

// SaveSafetensors writes tensors by name, and metadata (nil for none), to a
// safetensors file. It panics where [TrySaveSafetensors] returns an error.
func SaveSafetensors(tensors map[string]Tensor, path string, metadata map[string]string) {
	mustFile("torch.SaveSafetensors", TrySaveSafetensors(tensors, path, metadata))
}

// TrySaveSafetensors writes tensors by name to a safetensors file, which is
// replaced whole or not at all. The format knows neither devices nor gradients.
// All elements are copied to memory first.
func TrySaveSafetensors(tensors map[string]Tensor, path string, metadata map[string]string) error {
	entries := make([]safetensors.Entry, 0, len(tensors))
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		entry, err := safetensorsEntry(name, tensors[name])
		if err != nil {
			return fmt.Errorf("cannot save %q: tensor %q: %w", path, name, err)
		}
		entries = append(entries, entry)
	}
	return safetensors.Write(path, entries, metadata)
}

func safetensorsEntry(name string, t Tensor) (entry safetensors.Entry, err error) {
	err = Try(func() {
		info := t.info()
		for _, pair := range safetensorsTypes {
			if pair.dtype == int8(info.DType) {
				entry = safetensors.Entry{Name: name, DType: pair.name, Shape: t.Shape(), Data: t.Bytes()}
				return
			}
		}
		panic(&Error{Op: "torch.SaveSafetensors", Text: fmt.Sprintf("the format has no type for dtype %d; convert the tensor first", info.DType)})
	})
	return entry, err
}

// LoadSafetensors reads the tensors of a safetensors file by name, onto the CPU or
// the device given. It panics where [TryLoadSafetensors] returns an error.
func LoadSafetensors(path string, device ...Device) map[string]Tensor {
	tensors, err := TryLoadSafetensors(path, device...)
	mustFile("torch.LoadSafetensors", err)
	return tensors
}

// TryLoadSafetensors is LoadSafetensors with an error instead of a panic. For a
// file's metadata see package safetensors.
func TryLoadSafetensors(path string, device ...Device) (tensors map[string]Tensor, err error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	tensors = make(map[string]Tensor, len(f.Names()))
	err = Try(func() {
		for _, name := range f.Names() {
			t := fromSafetensors(f, name)
			if len(device) > 0 {
				t = t.move(device[0])
			}
			tensors[name] = t
		}
	})
	if err != nil {
		for _, t := range tensors {
			t.Close()
		}
		return nil, fmt.Errorf("cannot load %q: %w", path, err)
	}
	return tensors, nil
}

// TryFromSafetensors copies one tensor of an open file.
func TryFromSafetensors(f *safetensors.File, name string) (t Tensor, err error) {
	if _, ok := f.Tensor(name); !ok {
		return Tensor{}, fmt.Errorf("the file has no tensor %q", name)
	}
	err = Try(func() { t = fromSafetensors(f, name) })
	return t, err
}

func fromSafetensors(f *safetensors.File, name string) Tensor {
	view, _ := f.Tensor(name)
	return FromBytes(view.Data, safetensorsDType(view.DType), view.Shape...)
}

func safetensorsDType(name safetensors.DType) int8 {
	for _, pair := range safetensorsTypes {
		if pair.name == name {
			return pair.dtype
		}
	}
	panic("BUG: no dtype for the safetensors type " + string(name))
}
