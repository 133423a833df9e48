package dataset_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/dataset"
)

// plain is a set of images of side pixels, each of one shade: first, first+1, …
func plain(side int, first byte, labels ...int64) *dataset.Set {
	s := &dataset.Set{Classes: []string{"a", "b"}, Height: side, Width: side, Labels: labels}
	for i := range labels {
		for range side * side * 3 {
			s.Images = append(s.Images, first+byte(i))
		}
	}
	return s
}

func TestJoin(t *testing.T) {
	f := func(a, b dataset.Source, isSet, sameSize bool) {
		t.Helper()
		j, err := dataset.Join(a, b)
		require.NoError(t, err)
		_, set := j.(*dataset.Set)
		assert.Equal(t, isSet, set)
		assert.Equal(t, []int64{0, 1, 1, 0}, dataset.Labels(j))
		assert.Equal(t, []string{"a", "b"}, j.ClassNames())
		for i, shade := range []byte{10, 11, 50, 51} {
			m, err := j.Load(i)
			require.NoError(t, err)
			assert.Equal(t, shade, m.Pix[0])
			m.Release()
		}
		if !sameSize {
			return
		}
		loader, err := dataset.NewLoader(dataset.LoaderConfig{Source: j, BatchSize: 2, Order: []int32{2, 3}})
		require.NoError(t, err)
		defer loader.Close()
		batch, err := loader.Next(t.Context())
		require.NoError(t, err)
		assert.Equal(t, byte(50), batch.Images[0])
		assert.Equal(t, []int64{1, 0}, batch.Labels)
		batch.Release()
	}
	view := func(s *dataset.Set) dataset.Source {
		v, err := dataset.Subset(s, []int{0, 1})
		require.NoError(t, err)
		return v
	}
	a, b := plain(4, 10, 0, 1), plain(4, 50, 1, 0)
	f(a, b, true, true)
	f(a, view(b), false, true)
	f(view(a), b, false, true)
	f(a, plain(6, 50, 1, 0), false, false)
	f(onDisk{a}, b, false, true)
	assert.Equal(t, 2, a.Len(), "a set was changed")

	named := plain(4, 50, 1, 0)
	named.Files = []string{"x", "y"}
	j, err := dataset.Join(a, named)
	require.NoError(t, err)
	assert.Equal(t, []string{"", "", "x", "y"}, j.(*dataset.Set).Files)

	other := plain(4, 50, 1, 0)
	other.Classes = []string{"b", "a"}
	_, err = dataset.Join(a, other)
	assert.ErrorContains(t, err, "a, b, the other b, a")
}

// onDisk is a source whose images do not lie in memory.
type onDisk struct{ dataset.Source }
