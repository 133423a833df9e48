package dataset

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const cifarRecord = 1 + cifarPixels

// record makes one record whose red, green and blue values at pixel p are p,
// p+1 and p+2.
func record(label byte) []byte {
	r := make([]byte, cifarRecord)
	r[0] = label
	for c := range 3 {
		for p := range cifarPlane {
			r[1+c*cifarPlane+p] = byte(p + c)
		}
	}
	return r
}

// writeBatches makes CIFAR-10's binary folder with one image a batch, the
// labels 0 to 4 in the training batches and 9 in the test batch.
func writeBatches(t *testing.T, dir string) {
	for i, name := range BinaryBatches(Train) {
		write(t, filepath.Join(dir, name), record(byte(i)))
	}
	write(t, filepath.Join(dir, BinaryBatches(Test)[0]), record(9))
}

func TestOpenBinary(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, BinaryFolder)
	writeBatches(t, dir)
	for _, path := range []string{dir, root} {
		train, test, err := OpenSplits(path, Options{})
		require.NoError(t, err)
		require.Equal(t, []int64{0, 1, 2, 3, 4}, train.Labels)
		require.Equal(t, []int64{9}, test.Labels)
		require.Equal(t, CIFAR10Classes(), test.Classes)
		require.Equal(t, []int{32, 32}, []int{train.Height, train.Width})
		for p := range cifarPlane {
			require.Equal(t, []byte{byte(p), byte(p + 1), byte(p + 2)}, train.Image(3)[3*p:][:3], "planes become pixels")
		}
	}
	s, err := Open(filepath.Join(dir, "data_batch_2.bin"), Options{Size: 8})
	require.NoError(t, err)
	require.Equal(t, []int64{1}, s.Labels)
	require.Equal(t, 8, s.Width)

	_, err = Open(root, Options{})
	require.ErrorContains(t, err, "test_batch.bin")
	_, err = Open(dir, Options{Split: Test, Classes: []string{"cat"}})
	require.ErrorContains(t, err, "expected cat")

	write(t, filepath.Join(dir, "batches.meta.txt"), []byte("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n"))
	s, err = Open(dir, Options{Split: Test})
	require.NoError(t, err)
	require.Equal(t, "j", s.Classes[9])
	write(t, filepath.Join(dir, "batches.meta.txt"), []byte("a\nb\n"))
	_, err = Open(dir, Options{Split: Test})
	require.ErrorContains(t, err, "lists 2 names")
}

func TestOpenBinaryDamaged(t *testing.T) {
	f := func(content []byte, want string) {
		t.Helper()
		dir := t.TempDir()
		writeBatches(t, dir)
		path := filepath.Join(dir, "data_batch_4.bin")
		write(t, path, content)
		_, _, err := OpenSplits(dir, Options{})
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, path)
	}
	f(nil, "0 bytes")
	f(record(1)[:3000], "not a whole number of 3073-byte records")
	f(append(record(1), record(10)...), "record 1 has label 10")
}

func FuzzAppendRecords(f *testing.F) {
	f.Add([]byte{}, false)
	f.Add(record(0), false)
	f.Add(append(record(9), record(10)...), false)
	f.Add(bytes.Repeat([]byte{1}, cifarRecord-1), false)
	f.Add(append([]byte{3}, record(4)...), true) // CIFAR-100: a coarse label before the fine one
	f.Add(append([]byte{30}, record(4)...), true)
	f.Fuzz(func(t *testing.T, data []byte, hundred bool) {
		s := &Set{Classes: CIFAR10Classes(), Height: cifarSide, Width: cifarSide}
		labels := 1
		if hundred {
			labels = 2
		}
		if err := s.appendRecords(data, labels, labels-1); err != nil {
			return
		}
		size := labels + cifarPixels
		if len(s.Images) != s.Len()*s.imageLen() || s.Len() != len(data)/size {
			t.Fatalf("%d bytes became %d labels and %d bytes of pixels", len(data), s.Len(), len(s.Images))
		}
		for i, l := range s.Labels {
			if l != int64(data[i*size+labels-1]) || l > 9 {
				t.Fatalf("label %d of image %d", l, i)
			}
			for p := range cifarPlane {
				if s.Image(i)[3*p+2] != data[i*size+labels+2*cifarPlane+p] {
					t.Fatalf("blue of pixel %d of image %d", p, i)
				}
			}
		}
	})
}
