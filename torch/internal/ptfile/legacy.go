package ptfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/torchlit/torchlit/internal/pickle"
)

// The format from before PyTorch 1.6, in which many published weights still are:
// pickles one after the other, then the storages.
//
//	magic number, protocol version 1001, {little_endian, …}: a pickle each
//	the object, whose tensors refer to storages as in the archive
//	the keys of the storages, in the order of their bytes
//	for each: the number of elements as an int64, then the elements
//
// Source: _legacy_load in torch/serialization.py.

// legacyHead is the magic number 0x1950a86a20f9469cfc6c and the version, as
// torch.save always pickled them.
var legacyHead = []byte("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.")

func isLegacy(r io.ReaderAt) bool {
	head := make([]byte, len(legacyHead))
	_, err := r.ReadAt(head, 0)
	return (err == nil || errors.Is(err, io.EOF)) && bytes.Equal(head, legacyHead)
}

type legacy struct {
	in       io.ReaderAt
	size     int64
	left     int64 // bytes that storages may still have, all together
	storages map[string]*placed
}

// placed is a storage whose place in the file is known once the keys are.
type placed struct {
	*typed
	elements int64
	at       int64 // 0: not known
}

func readLegacy(in io.ReaderAt, size int64, opaque bool) (any, error) {
	code := make([]byte, min(size, maxDescription))
	if _, err := in.ReadAt(code, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	f := &legacy{in: in, size: size, left: size, storages: map[string]*placed{}}
	r := pickle.Reader{Call: (&file{}).call, Persistent: f.storage, Opaque: opaque}
	at := len(legacyHead)
	next := func() (any, error) {
		v, n, err := r.Read(code[at:])
		at += n
		return v, err
	}
	system, err := next()
	if err != nil {
		return nil, err
	}
	if d, ok := system.(*Dict); !ok || d.Get("little_endian") != any(true) {
		return nil, errors.New("the file was written by a big-endian machine; save it again on a little-endian one")
	}
	root, err := next()
	if err != nil {
		return nil, err
	}
	keys, err := next()
	if err != nil {
		return nil, err
	}
	list, ok := keys.(*List)
	if !ok {
		return nil, errors.New("the file does not list its storages")
	}
	return root, f.place(list, int64(at))
}

// storage resolves a persistent id, which has a view of the storage as its sixth part
// in files from before PyTorch 0.4.
func (f *legacy) storage(id any) (any, error) {
	if t, ok := id.(Tuple); ok && len(t) > 1 && t[0] == any("module") { // a class with its source
		return t[1], nil
	}
	ref, err := parseReference(id)
	if err != nil {
		return nil, err
	}
	if t := id.(Tuple); len(t) > 5 && t[5] != nil {
		return nil, errors.New("the file has a view of a storage, as PyTorch wrote before 0.4; load and save it with a current PyTorch")
	}
	if s := f.storages[ref.key]; s != nil {
		if s.dtype != ref.dtype || s.elements != ref.elements {
			return nil, fmt.Errorf("the file describes its storage %q twice", ref.key)
		}
		return s.typed, nil
	}
	if ref.bytes > f.left {
		return nil, errors.New("the storages are longer than the file")
	}
	f.left -= ref.bytes
	s := &placed{elements: ref.elements}
	s.typed = &typed{&Storage{Location: ref.location, Bytes: ref.bytes, Read: func() ([]byte, error) {
		data := make([]byte, ref.bytes)
		if _, err := f.in.ReadAt(data, s.at); err != nil && !(errors.Is(err, io.EOF) && s.at+ref.bytes == f.size) {
			return nil, fmt.Errorf("cannot read storage %q: %w", ref.key, err)
		}
		return data, nil
	}}, ref.dtype}
	f.storages[ref.key] = s
	return s.typed, nil
}

// place finds the storages behind the list of their keys.
func (f *legacy) place(keys *List, at int64) error {
	for _, k := range keys.Items {
		key, _ := k.(string)
		s := f.storages[key]
		if s == nil || s.at != 0 {
			return fmt.Errorf("the file lists a storage %q, which no tensor has or which it listed before", key)
		}
		var count [8]byte
		if _, err := f.in.ReadAt(count[:], at); err != nil {
			return fmt.Errorf("the file ends before its storage %q: %w", key, err)
		}
		if n := int64(binary.LittleEndian.Uint64(count[:])); n != s.elements {
			return fmt.Errorf("the file's storage %q has %d elements, not %d", key, n, s.elements)
		}
		s.at = at + 8
		if at = s.at + s.Bytes; at > f.size {
			return fmt.Errorf("the file ends in its storage %q; copy it again", key)
		}
	}
	for key, s := range f.storages {
		if s.at == 0 {
			return fmt.Errorf("the file lacks its storage %q", key)
		}
	}
	return nil
}
