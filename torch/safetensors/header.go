package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

const (
	prefixLen = 8

	// maxHeader bounds the JSON, and by that the memory that a hostile file
	// can make us spend. Hub clients use the same bound.
	maxHeader = 25_000_000

	// maxDims bounds the rank of a tensor; PyTorch and NumPy go no higher.
	maxDims = 64

	metadataKey = "__metadata__"
)

// lfsPointer starts the small text file that stands in for a model where a
// repository was cloned without Git LFS: the most common "corrupt" model.
var lfsPointer = []byte("version https://git-lfs")

// span is one tensor as the header describes it, before its range is checked.
type span struct {
	view       View
	begin, end int64 // relative to the first byte after the header
}

func parse(data []byte) (*File, error) {
	header, payload, err := split(data)
	if err != nil {
		return nil, err
	}
	spans, metadata, err := parseHeader(header)
	if err != nil {
		return nil, err
	}
	if err := checkTiling(spans, int64(len(payload))); err != nil {
		return nil, err
	}
	f := &File{
		names:    make([]string, len(spans)),
		tensors:  make(map[string]View, len(spans)),
		metadata: metadata,
	}
	for i, s := range spans {
		s.view.Data = payload[s.begin:s.end:s.end]
		f.names[i] = s.view.Name
		f.tensors[s.view.Name] = s.view
	}
	return f, nil
}

// split cuts a file into its JSON header and the tensors' bytes.
func split(data []byte) (header, payload []byte, err error) {
	if bytes.HasPrefix(data, lfsPointer) {
		return nil, nil, errors.New("it is a Git LFS pointer instead of the file itself; run `git lfs pull`")
	}
	if len(data) < prefixLen {
		return nil, nil, fmt.Errorf("it has %d bytes, fewer than its length prefix of %d", len(data), prefixLen)
	}
	n := binary.LittleEndian.Uint64(data)
	data = data[prefixLen:]
	if n > maxHeader {
		return nil, nil, fmt.Errorf("its header claims %d bytes, more than the allowed %d", n, maxHeader)
	}
	if n > uint64(len(data)) {
		return nil, nil, fmt.Errorf("its header claims %d bytes, but only %d follow; the file is cut short", n, len(data))
	}
	return data[:n], data[n:], nil
}

// checkTiling sorts the spans by their place and checks that together they
// cover the payload exactly once. That one rule excludes ranges outside of the
// file, holes that could hide foreign bytes, and tensors that alias each other.
func checkTiling(spans []span, size int64) error {
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end), cmp.Compare(a.view.Name, b.view.Name))
	})
	at := int64(0)
	for _, s := range spans {
		switch {
		case s.end > size:
			return fmt.Errorf("tensor %q ends at byte %d, but the file holds only %d; it is cut short", s.view.Name, s.end, size)
		case s.begin < at:
			return fmt.Errorf("tensor %q begins at byte %d and overlaps the one before it, which ends at %d", s.view.Name, s.begin, at)
		case s.begin > at:
			return fmt.Errorf("tensor %q begins at byte %d, which leaves a hole after byte %d", s.view.Name, s.begin, at)
		}
		at = s.end
	}
	if at != size {
		return fmt.Errorf("%d bytes follow the last tensor", size-at)
	}
	return nil
}

// parseHeader reads the JSON. It goes through the tokens by hand, because
// decoding into a map would silently let the last of two equal keys win.
func parseHeader(header []byte) ([]span, map[string]string, error) {
	if len(header) == 0 || header[0] != '{' {
		return nil, nil, errors.New("its header does not start with '{'")
	}
	// encoding/json would replace bad UTF-8 silently, and two different names
	// could become one.
	if !utf8.Valid(header) {
		return nil, nil, errors.New("its header is not UTF-8")
	}
	r := headerReader{json.NewDecoder(bytes.NewReader(header))}
	r.dec.UseNumber()

	var spans []span
	var metadata map[string]string
	err := r.object(func(key string) (err error) {
		if key == metadataKey {
			metadata, err = r.strings()
			return wrapKey(key, err)
		}
		s, err := r.span()
		s.view.Name = key
		spans = append(spans, s)
		return wrapKey(key, err)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("in its header, %w", err)
	}
	if tail := bytes.TrimLeft(header[r.dec.InputOffset():], " "); len(tail) > 0 {
		return nil, nil, fmt.Errorf("its header goes on after its end with %q", tail[:min(len(tail), 16)])
	}
	return spans, metadata, nil
}

func wrapKey(key string, err error) error {
	if err != nil {
		return fmt.Errorf("%q: %w", key, err)
	}
	return nil
}

// headerReader pulls the few shapes of value that a header may hold out of a
// token stream.
type headerReader struct{ dec *json.Decoder }

// object reads {"key": value, …} and calls each at every value, which must read
// exactly that value.
func (r headerReader) object(each func(key string) error) error {
	if err := r.delim('{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for r.dec.More() {
		key, err := r.string()
		if err != nil {
			return err
		}
		if seen[key] {
			return fmt.Errorf("the key %q occurs twice", key)
		}
		seen[key] = true
		if err := each(key); err != nil {
			return err
		}
	}
	return r.delim('}')
}

// span reads one tensor's description and checks it as far as that is possible
// without the others.
func (r headerReader) span() (span, error) {
	var s span
	var offsets []int64
	have := 0
	err := r.object(func(key string) (err error) {
		have++
		switch key {
		case "dtype":
			var name string
			name, err = r.string()
			s.view.DType = DType(name)
		case "shape":
			s.view.Shape, err = r.integers(maxDims)
		case "data_offsets":
			offsets, err = r.integers(2)
		default:
			err = errors.New("unknown key")
		}
		return wrapKey(key, err)
	})
	if err != nil {
		return s, err
	}
	if have != 3 {
		return s, errors.New(`it needs "dtype", "shape" and "data_offsets"`)
	}
	if len(offsets) != 2 || offsets[0] > offsets[1] {
		return s, fmt.Errorf("data_offsets %v are not a begin and an end", offsets)
	}
	s.begin, s.end = offsets[0], offsets[1]
	want, err := byteLen(s.view.DType, s.view.Shape)
	if err == nil && want != s.end-s.begin {
		err = fmt.Errorf("shape %v of %s takes %d bytes, but data_offsets %v hold %d",
			s.view.Shape, s.view.DType, want, offsets, s.end-s.begin)
	}
	return s, err
}

func (r headerReader) strings() (map[string]string, error) {
	m := map[string]string{}
	err := r.object(func(key string) (err error) {
		m[key], err = r.string()
		return wrapKey(key, err)
	})
	return m, err
}

// integers reads an array of at most limit whole numbers, zero or more each.
func (r headerReader) integers(limit int) ([]int64, error) {
	if err := r.delim('['); err != nil {
		return nil, err
	}
	list := []int64{}
	for r.dec.More() {
		if len(list) == limit {
			return nil, fmt.Errorf("more than %d numbers", limit)
		}
		token, err := r.dec.Token()
		if err != nil {
			return nil, err
		}
		number, ok := token.(json.Number)
		if !ok {
			return nil, fmt.Errorf("%v where a number should be", token)
		}
		n, err := strconv.ParseUint(number.String(), 10, 64)
		if err != nil || n > math.MaxInt64 {
			return nil, fmt.Errorf("%s is not a whole number from 0 to 2^63-1", number)
		}
		list = append(list, int64(n))
	}
	return list, r.delim(']')
}

func (r headerReader) string() (string, error) {
	token, err := r.dec.Token()
	if err != nil {
		return "", err
	}
	s, ok := token.(string)
	if !ok {
		return "", fmt.Errorf("%v where a string should be", token)
	}
	return s, nil
}

func (r headerReader) delim(want json.Delim) error {
	token, err := r.dec.Token()
	if err != nil {
		return err
	}
	if token != want {
		return fmt.Errorf("%v where %q should be", token, want.String())
	}
	return nil
}
