package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/torchlit/torchlit/torch/internal/atomicfile"
)

// Entry is a tensor to be written. It is the type that reading yields, so that
// tensors go from one file to another as they are.
type Entry = View

// Write makes a file of tensors and free-form metadata (nil for none) at path.
// It is atomic: the bytes go to a hidden file beside it, reach the disk, and
// are then renamed, so that path holds the old file or the whole of the new one
// even when the power fails. The order of tensors does not matter: the file has
// them as the reference implementation does, and equal input gives equal bytes.
func Write(path string, tensors []Entry, metadata map[string]string) error {
	if err := atomicfile.Write(path, func(w io.Writer) error { return Encode(w, tensors, metadata) }); err != nil {
		return fmt.Errorf("cannot write safetensors file %q: %w", path, err)
	}
	return nil
}

// Encode writes to w the bytes that [Write] would put into a file.
func Encode(w io.Writer, tensors []Entry, metadata map[string]string) error {
	tensors = slices.SortedFunc(slices.Values(tensors), compareWriteOrder)
	header, err := makeHeader(tensors, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, t := range tensors {
		if _, err := w.Write(t.Data); err != nil {
			return err
		}
	}
	return nil
}

// makeHeader builds the length prefix and the JSON, with spaces at its end so
// that the first tensor starts at a multiple of eight.
func makeHeader(tensors []Entry, metadata map[string]string) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, prefixLen))
	b.WriteByte('{')
	if metadata != nil {
		if err := putMetadata(b, metadata); err != nil {
			return nil, err
		}
	}
	offset := int64(0)
	seen := make(map[string]bool, len(tensors))
	for _, t := range tensors {
		if err := checkView(t); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if seen[t.Name] {
			return nil, fmt.Errorf("tensor %q occurs twice", t.Name)
		}
		seen[t.Name] = true
		if b.Len() > prefixLen+1 {
			b.WriteByte(',')
		}
		end := offset + int64(len(t.Data))
		putString(b, t.Name)
		fmt.Fprintf(b, `:{"dtype":"%s","shape":`, t.DType)
		putIntegers(b, t.Shape...)
		b.WriteString(`,"data_offsets":`)
		putIntegers(b, offset, end)
		b.WriteByte('}')
		offset = end
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	n := b.Len() - prefixLen
	if n > maxHeader {
		return nil, fmt.Errorf("its header would take %d bytes, more than the allowed %d", n, maxHeader)
	}
	binary.LittleEndian.PutUint64(b.Bytes(), uint64(n))
	return b.Bytes(), nil
}

// checkView refuses what Open would refuse to read.
func checkView(v View) error {
	if v.Name == metadataKey {
		return fmt.Errorf("the name is reserved")
	}
	if !utf8.ValidString(v.Name) {
		return fmt.Errorf("the name is not UTF-8")
	}
	if len(v.Shape) > maxDims {
		return fmt.Errorf("%d dimensions, more than the allowed %d", len(v.Shape), maxDims)
	}
	want, err := byteLen(v.DType, v.Shape)
	if err != nil {
		return err
	}
	if int64(len(v.Data)) != want {
		return fmt.Errorf("shape %v of %s takes %d bytes, but there are %d", v.Shape, v.DType, want, len(v.Data))
	}
	return nil
}

func putMetadata(b *bytes.Buffer, metadata map[string]string) error {
	putString(b, metadataKey)
	b.WriteString(":{")
	for i, key := range slices.Sorted(maps.Keys(metadata)) {
		if !utf8.ValidString(key) || !utf8.ValidString(metadata[key]) {
			return fmt.Errorf("metadata %q is not UTF-8", key)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		putString(b, key)
		b.WriteByte(':')
		putString(b, metadata[key])
	}
	b.WriteByte('}')
	return nil
}

func putString(b *bytes.Buffer, s string) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(fmt.Sprintf("BUG: a string has no JSON: %s", err))
	}
	b.Truncate(b.Len() - 1) // Encode ends with a newline
}

func putIntegers(b *bytes.Buffer, list ...int64) {
	b.WriteByte('[')
	for i, n := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(b, n)
	}
	b.WriteByte(']')
}
