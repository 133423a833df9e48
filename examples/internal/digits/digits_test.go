package digits

import (
	"bytes"
	"context"
	"flag"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/torchtest"
)

func TestDrawDependsOnSeedAndPlace(t *testing.T) {
	long, short, other := Draw(50, 7), Draw(20, 7), Draw(20, 8)
	assert.Equal(t, 20, short.Len())
	assert.Equal(t, long.Labels[:20], short.Labels)
	assert.Equal(t, long.Pixels[:20*area], short.Pixels)
	assert.NotEqual(t, other.Pixels, short.Pixels)
}

// A digit that left its picture could not be read.
func TestDigitsStayInsideTheirPictures(t *testing.T) {
	s := Draw(2000, 1)
	for i := range s.Len() {
		inside, outside := 0, 0
		for j, v := range s.Picture(i) {
			switch x, y := j%Side, j/Side; {
			case v < 128:
			case x == 0 || y == 0 || x == Side-1 || y == Side-1:
				outside++
			default:
				inside++
			}
		}
		assert.Greater(t, inside, 15, "picture %d of a %d", i, s.Labels[i])
		assert.Less(t, outside, 6, "picture %d of a %d", i, s.Labels[i])
	}
}

// Digits can be told apart by how they look, though not by that alone: comparing a
// picture with the mean of each class, a method that learns no shapes, does far better
// than the 10 % of chance and far worse than a network.
func TestDigitsAreAProblemToLearn(t *testing.T) {
	train, test := Draw(3000, 1), Draw(500, 2)
	var means [10][area]float64
	for i := range train.Len() {
		for j, v := range train.Picture(i) {
			means[train.Labels[i]][j] += float64(v) / 300
		}
	}
	right := 0
	for i := range test.Len() {
		distance := make([]float64, 10)
		for class := range means {
			for j, v := range test.Picture(i) {
				d := float64(v) - means[class][j]
				distance[class] += d * d
			}
		}
		if byte(slices.Index(distance, slices.Min(distance))) == test.Labels[i] {
			right++
		}
	}
	assert.Greater(t, right, 200)
	assert.Less(t, right, 450)
}

func TestBatchesCoverTheSet(t *testing.T) {
	s := Draw(10, 1)
	assert.Equal(t, [][]int{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}}, s.Batches(4))
	shuffled := slices.Concat(s.Shuffled(4, rand.New(rand.NewPCG(1, 1)))...)
	assert.NotEqual(t, slices.Concat(s.Batches(4)...), shuffled)
	slices.Sort(shuffled)
	assert.Equal(t, slices.Concat(s.Batches(4)...), shuffled)
}

func TestBatch(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	s := Draw(10, 1)
	x, y := s.Batch([]int{3, 0}, torch.Device{})
	defer x.Close()
	defer y.Close()
	assert.Equal(t, []int64{2, 1, Side, Side}, x.Shape())
	assert.Equal(t, []int64{int64(s.Labels[3]), int64(s.Labels[0])}, torch.Slice[int64](y))
	for i, v := range torch.Slice[float32](x) {
		place := [2]int{3, 0}[i/area]
		assert.Equal(t, float32(s.Picture(place)[i%area])/255, v)
	}
}

func TestSource(t *testing.T) {
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	source := Flags(flags, 12)
	require.NoError(t, flags.Parse(nil))
	var out bytes.Buffer
	train, test, err := source.Open(context.Background(), 1, &out)
	require.NoError(t, err)
	assert.Equal(t, 12, train.Len())
	assert.Equal(t, 2, test.Len())
	assert.Contains(t, out.String(), "12 drawn digits")
}
