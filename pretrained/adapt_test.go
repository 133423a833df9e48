package pretrained

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testdata/golden.py wrote the values with timm's adapt_input_conv.
func TestAdaptChannelsAsTimmDoes(t *testing.T) {
	data, err := os.ReadFile("testdata/adapt.json")
	require.NoError(t, err)
	var cases []struct {
		From, To     []int64
		Weight, Want []float32
	}
	require.NoError(t, json.Unmarshal(data, &cases))
	assert.Len(t, cases, 6)
	for _, c := range cases {
		assert.True(t, adaptable(c.From, c.To))
		assert.InDeltaSlice(t, c.Want, adapt(c.Weight, c.From, c.To), 1e-6)
	}
}

func TestAdaptKernel(t *testing.T) {
	f := func(w []float32, from, to int64, want []float32) {
		t.Helper()
		assert.InDeltaSlice(t, want, adapt(w, []int64{1, 1, from, from}, []int64{1, 1, to, to}), 1e-6)
	}
	// 3×3 to 1×1 is the sum, 1×1 to 2×2 a quarter each.
	f([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9}, 3, 1, []float32{45})
	f([]float32{8}, 1, 2, []float32{2, 2, 2, 2})
	// 3 cells over 2: the middle one is halved.
	f([]float32{4, 8, 4, 8, 16, 8, 4, 8, 4}, 3, 2, []float32{16, 16, 16, 16})
	f([]float32{1, 2, 3, 4}, 2, 2, []float32{1, 2, 3, 4})
	// A weight in the middle stays in the middle, whole.
	middle := make([]float32, 49)
	middle[24] = 1
	f(middle, 7, 3, []float32{0, 0, 0, 0, 1, 0, 0, 0, 0})
}

func TestAdaptable(t *testing.T) {
	f := func(want bool, from, to []int64) {
		t.Helper()
		assert.Equal(t, want, adaptable(from, to))
	}
	f(true, []int64{64, 3, 7, 7}, []int64{64, 1, 3, 3})
	f(false, []int64{64, 3, 7, 7}, []int64{32, 3, 7, 7})
	f(false, []int64{64, 3, 7, 5}, []int64{64, 3, 3, 3})
	f(false, []int64{64, 0, 7, 7}, []int64{64, 3, 3, 3})
	f(false, []int64{64, 3}, []int64{64, 3, 3, 3})
}
