package dist

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/torchlit/torchlit/torch"
)

func TestAssignBuckets(t *testing.T) {
	f := func(first, limit int64, sizes, want []int64) {
		t.Helper()
		params := make([]placed, len(sizes))
		buckets := int64(0)
		for i, n := range sizes {
			params[i] = placed{bytes: n, dtype: torch.Float}
			buckets = max(buckets, want[i]+1)
		}
		got, n := assignBuckets(params, first, limit)
		assert.Equal(t, want, got)
		assert.EqualValues(t, buckets, n)
	}
	f(1, 25, []int64{4}, []int64{0})
	f(10, 25, []int64{4, 4, 4, 4, 4, 4, 4}, []int64{1, 1, 1, 1, 0, 0, 0})         // the last three make 12
	f(10, 10, []int64{100, 2, 2, 2, 100}, []int64{1, 1, 1, 1, 0})                 // a large one closes its bucket
	f(1, 8, []int64{4, 4, 4, 4, 4}, []int64{2, 2, 1, 1, 0})                       // one for the first
	f(1<<20, 25<<20, []int64{9408, 36 << 10, 2 << 20, 4000}, []int64{1, 1, 0, 0}) // as PyTorch's defaults
	f(25<<20, 25<<20, []int64{1, 2, 3}, []int64{0, 0, 0})                         // never full
}

// Dtypes and devices fill buckets of their own, which are numbered as they begin.
func TestAssignBucketsByKind(t *testing.T) {
	cuda := torch.NewDevice("cuda:0")
	params := []placed{
		{4, torch.Float, torch.Device{}}, {4, torch.Float, cuda}, {2, torch.BFloat16, cuda},
		{4, torch.Float, cuda}, {2, torch.BFloat16, cuda},
	}
	got, n := assignBuckets(params, 4, 8)
	assert.Equal(t, []int64{2, 1, 0, 1, 0}, got)
	assert.Equal(t, 3, n)
}
