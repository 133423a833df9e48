package dataset

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/vision"
)

func TestSet(t *testing.T) {
	s := numbered(25)
	require.Equal(t, 25, s.Len())
	require.Len(t, s.Image(7), 48)
	require.Equal(t, byte(7), s.Image(7)[47])
	require.Equal(t, []int{3, 3, 3, 3, 3, 2, 2, 2, 2, 2}, s.Counts())
	require.Equal(t, 48, cap(s.Image(7)), "appending to an image must not reach the next one")
}

func TestSubset(t *testing.T) {
	s := numbered(20)
	s.Files = make([]string, 20)
	s.Files[13] = "m.png"
	sub, err := s.Subset([]int{13, 2})
	require.NoError(t, err)
	require.Equal(t, []int64{3, 2}, sub.Labels)
	require.Equal(t, s.Image(13), sub.Image(0))
	require.Equal(t, []string{"m.png", ""}, sub.Files)
	_, err = s.Subset([]int{20})
	require.ErrorContains(t, err, "image 20 of a set of 20")
	_, err = s.Subset([]int{-1})
	require.Error(t, err)
}

func TestResized(t *testing.T) {
	s := numbered(300)
	small, err := s.Resized(2, nil)
	require.NoError(t, err)
	require.Equal(t, 2, small.Width)
	require.Len(t, small.Images, 300*12)
	for i := range 300 {
		require.Equal(t, byte(i%251), small.Image(i)[11], "an image of one colour keeps it")
	}
	require.Equal(t, s.Labels, small.Labels)

	same, err := s.Resized(4, nil)
	require.NoError(t, err)
	require.Same(t, s, same)
	_, err = s.Resized(0, nil)
	require.ErrorContains(t, err, "at least 1")

	broken := errors.New("no resizer")
	_, err = s.Resized(2, func(*vision.Image, int, int, vision.Interpolation) (*vision.Image, error) { return nil, broken })
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "image 0", "the error is that of the first image, whichever worker was faster")
}
