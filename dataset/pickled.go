package dataset

import (
	"errors"
	"fmt"

	"github.com/torchlit/torchlit/internal/pickle"
)

// A Python batch of CIFAR is a pickled dictionary: "data" is a numpy array of
// uint8, one row of 3072 bytes an image, in planes; labels are a list. It was
// written by Python 2 with protocol 2; copies that Python 3 wrote have bytes where
// that one has strings.

// numpy makes, of the calls that pickled arrays consist of, objects that say what
// they would be. It knows no others. Opaque allows keys of bytes.
var numpy = pickle.Reader{Opaque: true, Call: func(f pickle.Global, args pickle.Tuple) (any, error) {
	switch f.String() {
	case "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
		"numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer", "numpy.dtype":
		return &pickle.Object{Class: f, Args: args}, nil
	}
	return nil, fmt.Errorf("it has a %s, which is not part of a CIFAR batch", f)
}}

func readDict(data []byte) (*pickle.Dict, error) {
	v, _, err := numpy.Read(data)
	if err != nil {
		return nil, err
	}
	d, ok := v.(*pickle.Dict)
	if !ok {
		return nil, fmt.Errorf("it holds %s where a dictionary is expected", pickle.Describe(v))
	}
	return d, nil
}

// entry returns the value of a key, which Python 3 may have read as bytes.
func entry(d *pickle.Dict, key string) any {
	if v := d.Get(key); v != nil {
		return v
	}
	for _, item := range d.Items {
		if b, ok := item.Key.(pickle.Bytes); ok && string(b) == key {
			return item.Value
		}
	}
	return nil
}

// appendPickle adds the images of a Python batch, with the labels of that key.
func (s *Set) appendPickle(data []byte, key string) error {
	d, err := readDict(data)
	if err != nil {
		return err
	}
	labels, err := integers(entry(d, key))
	if err != nil {
		return fmt.Errorf("its %s are %w", key, err)
	}
	rows, pixels, err := bytesArray(entry(d, "data"))
	if err != nil {
		return fmt.Errorf("its data are %w", err)
	}
	if len(labels) == 0 || len(labels) != rows {
		return fmt.Errorf("it has %d images and %d labels", rows, len(labels))
	}
	s.grow(rows)
	for i, l := range labels {
		if l < 0 || l >= int64(len(s.Classes)) {
			return fmt.Errorf("image %d has label %d, there are %d classes", i, l, len(s.Classes))
		}
		s.Labels = append(s.Labels, l)
		appendPlanes(s, pixels[i*cifarPixels:(i+1)*cifarPixels])
	}
	return nil
}

func integers(v any) ([]int64, error) {
	list, ok := v.(*pickle.List)
	if !ok {
		return nil, fmt.Errorf("%s, not a list", pickle.Describe(v))
	}
	out := make([]int64, len(list.Items))
	for i, item := range list.Items {
		if out[i], ok = item.(int64); !ok {
			return nil, errors.New("not all integers")
		}
	}
	return out, nil
}

var errArray = errors.New("not an array of uint8 with rows of 3072 values")

// bytesArray returns the rows of a pickled array: its bytes as a string, because
// that is what Python 2 wrote.
func bytesArray(v any) (rows int, pixels string, err error) {
	o, ok := v.(*pickle.Object)
	if !ok {
		return 0, "", errArray
	}
	var shape pickle.Tuple
	var dtype, content any
	switch state, _ := o.State.(pickle.Tuple); {
	case o.Class.Name == "_reconstruct" && len(state) == 5: // version, shape, dtype, in Fortran's order, bytes
		if state[3] != any(false) && state[3] != any(int64(0)) {
			return 0, "", errors.New("an array in the order of Fortran; save it in that of C")
		}
		shape, _ = state[1].(pickle.Tuple)
		dtype, content = state[2], state[4]
	case o.Class.Name == "_frombuffer" && len(o.Args) == 4: // bytes, dtype, shape, order
		if o.Args[3] != any("C") {
			return 0, "", errors.New("an array in the order of Fortran; save it in that of C")
		}
		shape, _ = o.Args[2].(pickle.Tuple)
		dtype, content = o.Args[1], o.Args[0]
	default:
		return 0, "", errArray
	}
	switch c := content.(type) {
	case string:
		pixels = c
	case pickle.Bytes:
		pixels = string(c)
	}
	if len(shape) != 2 || shape[1] != any(int64(cifarPixels)) || !isUint8(dtype) {
		return 0, "", errArray
	}
	n, ok := shape[0].(int64)
	if !ok || n < 1 || n > int64(len(pixels)) || int(n)*cifarPixels != len(pixels) {
		return 0, "", fmt.Errorf("an array of %v rows in %d bytes", shape[0], len(pixels))
	}
	return int(n), pixels, nil
}

func isUint8(v any) bool {
	o, ok := v.(*pickle.Object)
	return ok && o.Class.Name == "dtype" && len(o.Args) > 0 && o.Args[0] == any("u1")
}

// pickledNames returns the class names of a Python meta file.
func pickledNames(data []byte, key string) ([]string, error) {
	d, err := readDict(data)
	if err != nil {
		return nil, err
	}
	list, ok := entry(d, key).(*pickle.List)
	if !ok {
		return nil, fmt.Errorf("it has no list %q", key)
	}
	names := make([]string, len(list.Items))
	for i, item := range list.Items {
		switch name := item.(type) {
		case string:
			names[i] = name
		case pickle.Bytes:
			names[i] = string(name)
		default:
			return nil, fmt.Errorf("its %s are not all strings", key)
		}
	}
	return names, nil
}
