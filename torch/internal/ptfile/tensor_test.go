package ptfile

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCheckOfTensors(t *testing.T) {
	f := func(ok bool, offset int64, sizes, strides []int64) {
		t.Helper()
		tensor := Tensor{DType: 6, Sizes: sizes, Strides: strides, Offset: offset, Storage: &Storage{Bytes: 24}}
		assert.Equal(t, ok, tensor.check() == nil)
	}
	f(true, 0, []int64{2, 3}, []int64{3, 1})
	f(true, 5, nil, nil)
	f(true, 0, []int64{1 << 40}, []int64{0})
	f(true, 100, []int64{0, 9}, []int64{9, 1})
	f(false, 1, []int64{2, 3}, []int64{3, 1})
	f(false, 6, nil, nil)
	f(false, -1, nil, nil)
	f(false, 0, []int64{2}, []int64{-1})
	f(false, 0, []int64{-2}, []int64{1})
	f(false, 0, []int64{2}, []int64{1, 1})
	f(false, 0, []int64{3}, []int64{1 << 62})
	f(false, 0, []int64{1 << 40, 1 << 40}, []int64{0, 0})
	f(false, 0, make([]int64, 17), make([]int64, 17))
}
