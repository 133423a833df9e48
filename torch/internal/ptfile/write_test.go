package ptfile

import (
	"archive/zip"
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func storage(data []byte) *Storage {
	return &Storage{Location: "cpu", Bytes: int64(len(data)), Read: func() ([]byte, error) { return data, nil }}
}

// Every golden file, written anew, reads as before. That PyTorch reads what Write
// writes is tested by package torch (build tag interop).
func TestWriteAndReadAgain(t *testing.T) {
	for name := range golden(t) {
		before := read(t, name)
		var b bytes.Buffer
		require.NoError(t, Write(&b, before), name)
		after, err := Read(bytes.NewReader(b.Bytes()), int64(b.Len()))
		require.NoError(t, err, name)
		f := func(want, got *Tensor) {
			t.Helper()
			assert.Equal(t, want.DType, got.DType, name)
			assert.Equal(t, want.Sizes, got.Sizes, name)
			assert.Equal(t, want.Strides, got.Strides, name)
			assert.Equal(t, want.RequiresGrad, got.RequiresGrad, name)
			assert.Equal(t, want.elements(t), got.elements(t), name)
		}
		if d, ok := before.(*Dict); ok {
			require.Len(t, after.(*Dict).Items, len(d.Items), name)
			for i, item := range d.Items {
				f(item.Value.(*Tensor), after.(*Dict).Items[i].Value.(*Tensor))
			}
		} else {
			f(before.(*Tensor), after.(*Tensor))
		}
	}
}

func TestRecordsAreAlignedAndSharedOnce(t *testing.T) {
	s := storage(make([]byte, 24))
	tensor := &Tensor{DType: 6, Sizes: []int64{6}, Strides: []int64{1}, Storage: s}
	var b bytes.Buffer
	require.NoError(t, Write(&b, &Dict{Items: []Item{{Key: "a", Value: tensor}, {Key: "b", Value: tensor}}}))
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	require.NoError(t, err)
	require.Len(t, z.File, 6)
	for _, record := range z.File {
		offset, err := record.DataOffset()
		require.NoError(t, err)
		assert.Zero(t, offset%64, record.Name)
	}
}

func TestWriteRefusals(t *testing.T) {
	f := func(tensor *Tensor) {
		t.Helper()
		assert.Error(t, Write(&bytes.Buffer{}, tensor))
	}
	f(&Tensor{DType: 12, Storage: storage(nil)}) // quantized
	f(&Tensor{DType: 6, Storage: &Storage{Read: func() ([]byte, error) { return nil, errors.New("gone") }}})
	f(&Tensor{DType: 6, Storage: &Storage{Bytes: 3, Read: func() ([]byte, error) { return nil, nil }}})
}
