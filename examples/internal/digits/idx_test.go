package digits

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadIDX(t *testing.T) {
	f := func(file string, wantShape []int, wantData string) {
		t.Helper()
		data, shape, err := ReadIDX(bytes.NewReader([]byte(file)))
		require.NoError(t, err)
		assert.Equal(t, wantShape, shape)
		assert.Equal(t, wantData, string(data))
	}
	f("\x00\x00\x08\x01\x00\x00\x00\x03abc", []int{3}, "abc")
	f("\x00\x00\x08\x02\x00\x00\x00\x02\x00\x00\x00\x03abcdef", []int{2, 3}, "abcdef")

	refused := func(file, want string) {
		t.Helper()
		_, _, err := ReadIDX(bytes.NewReader([]byte(file)))
		assert.ErrorContains(t, err, want)
	}
	refused("", "header")
	refused("\x00\x00", "header")
	refused("\x1f\x8b\x08\x01", "1f 8b 08 01")                                                              // gzip in gzip
	refused("\x00\x00\x0d\x01\x00\x00\x00\x01abcd", "00 00 0d 01")                                          // float32
	refused("\x00\x00\x08\x05", "dimensions, 1 to 4")                                                       // too many
	refused("\x00\x00\x08\x02\x00\x00\x00\x02\x00", "header")                                               // cut
	refused("\x00\x00\x08\x01\x00\x00\x00\x00", "dimension 0 has size 0")                                   // nothing
	refused("\x00\x00\x08\x02\x00\x01\x00\x00\xff\xff\xff\xff", "dimension 1 has size 4294967295")          // too much
	refused("\x00\x00\x08\x01\x00\x00\x00\x03ab", "after 2 of 3 bytes")                                     // cut
	refused("\x00\x00\x08\x01\x00\x00\x00\x03abcd", "more data")                                            // too long
	refused("\x00\x00\x08\x03\x00\x00\x40\x00\x00\x00\x40\x00\x00\x00\x00\x04ab", "after 2 of 1073741824 ") // a promise
}

// FuzzReadIDX: whatever the bytes, the parser neither panics nor takes memory for data
// that is not there, and what it accepts is consistent.
func FuzzReadIDX(f *testing.F) {
	f.Add([]byte("\x00\x00\x08\x01\x00\x00\x00\x03abc"))
	f.Add([]byte("\x00\x00\x08\x02\x00\x00\x00\x02\x00\x00\x00\x03abcdef"))
	f.Add([]byte("\x00\x00\x08\x04\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01a"))
	f.Add([]byte("\x00\x00\x08\x02\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, file []byte) {
		data, shape, err := ReadIDX(bytes.NewReader(file))
		if err != nil {
			return
		}
		size := 1
		for _, n := range shape {
			size *= n
		}
		if len(data) != size || len(file) != 4+4*len(shape)+size {
			t.Fatalf("%d bytes of data of a file of %d; want the product of %v", len(data), len(file), shape)
		}
	})
}
