package dataset

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/vision"
)

// counted counts loads.
type counted struct {
	*slow
	loads atomic.Int64
}

func (c *counted) Load(i int) (*vision.Image, error) {
	c.loads.Add(1)
	return c.slow.Load(i)
}

func TestCache(t *testing.T) {
	source := &counted{slow: &slow{set: numbered(20), broken: map[int]bool{4: true}}}
	c := NewCache(source, 10*48)
	load := func(i int) []byte {
		img, err := c.Load(i)
		require.NoError(t, err)
		pix := append([]byte{}, img.Pix...)
		img.Pix[0] = 0xAA // it is the caller's
		img.Release()
		return pix
	}
	for range 3 {
		for i := range 20 {
			if i != 4 {
				require.Equal(t, source.set.Image(i), load(i))
			}
		}
	}
	require.EqualValues(t, 10*48, c.Bytes())
	require.EqualValues(t, 10+3*9, source.loads.Load(), "ten are held, the others are loaded each time")
	_, err := c.Load(4)
	require.ErrorIs(t, err, errBroken)
	require.Equal(t, "007.png", c.Name(7))
}

func TestCacheAtOnce(t *testing.T) {
	set := numbered(50)
	c := NewCache(&slow{set: set}, 1<<20)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 50 {
				img, err := c.Load(i)
				if err != nil || string(img.Pix) != string(set.Image(i)) {
					t.Errorf("image %d: %v", i, err)
					return
				}
				img.Release()
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 50*48, c.Bytes(), "each image counts once")
}

func TestEstimate(t *testing.T) {
	bytes, uniform := estimate(&slow{set: numbered(200), broken: map[int]bool{0: true}})
	require.EqualValues(t, 200*48, bytes)
	require.True(t, uniform)
	dir := t.TempDir()
	writePNG(t, dir+"/a/1.png", 4, 4, grey(1))
	writePNG(t, dir+"/a/2.png", 6, 4, grey(1))
	f, err := OpenFolder(dir, Options{})
	require.NoError(t, err)
	bytes, uniform = estimate(f)
	require.EqualValues(t, 48+72, bytes)
	require.False(t, uniform)
}

func TestSubsetView(t *testing.T) {
	set := numbered(20)
	indexes := []int{13, 2, 2}
	for _, source := range []Source{set, &slow{set: set}} {
		s, err := Subset(source, indexes)
		require.NoError(t, err)
		_, isResident := source.(resident)
		_, stays := s.(resident)
		require.Equal(t, isResident, stays)
		require.Equal(t, []int64{3, 2, 2}, Labels(s))
		require.Equal(t, []int{0, 0, 2, 1, 0, 0, 0, 0, 0, 0}, Counts(s))
		images, labels, _ := drain(t, newLoader(t, LoaderConfig{Source: s, BatchSize: 3}))
		require.Equal(t, []int64{3, 2, 2}, labels)
		require.Equal(t, []byte{13, 2}, []byte{images[0][0], images[0][48]})
		_, err = Subset(source, []int{20})
		require.ErrorContains(t, err, "image 20 of a set of 20")
		nested, err := Subset(s, []int{1})
		require.NoError(t, err)
		require.Equal(t, []int64{2}, Labels(nested))
	}
	s, err := Subset(&slow{set: set}, indexes)
	require.NoError(t, err)
	require.Equal(t, "013.png", nameOf(s, 0))
}

func TestCollect(t *testing.T) {
	set := numbered(30)
	same, err := Collect(t.Context(), set)
	require.NoError(t, err)
	require.Same(t, set, same)
	part, err := Subset(set, []int{7, 3})
	require.NoError(t, err)
	for _, source := range []Source{&slow{set: set}, part} {
		got, err := Collect(t.Context(), source)
		require.NoError(t, err)
		require.Equal(t, Labels(source), got.Labels)
		require.Equal(t, set.Classes, got.Classes)
		for i := range got.Len() {
			want, err := source.Load(i)
			require.NoError(t, err)
			require.Equal(t, want.Pix, got.Image(i))
		}
	}
	_, err = Collect(t.Context(), &slow{set: set, broken: map[int]bool{9: true, 11: true}})
	require.ErrorContains(t, err, "009.png")
	dir := t.TempDir()
	photos(t, dir, 3, true, "a")
	f, err := OpenFolder(dir, Options{})
	require.NoError(t, err)
	_, err = Collect(t.Context(), f)
	require.ErrorContains(t, err, "several sizes")
	_, err = Collect(t.Context(), &Folder{Listing: &Listing{}})
	require.ErrorIs(t, err, ErrNoData)
}
