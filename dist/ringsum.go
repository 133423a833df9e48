package dist

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/torchlit/torchlit/torch"
)

// sumOf returns how tensors of a dtype, given as their memory, are added up.
func sumOf(dtype int8) (func(r *ring, data []byte) error, error) {
	switch dtype {
	case torch.Float:
		return sumNumbers[float32], nil
	case torch.Double:
		return sumNumbers[float64], nil
	case torch.Long:
		return sumNumbers[int64], nil
	case torch.BFloat16:
		return sumBFloat16, nil
	}
	return nil, fmt.Errorf("cannot add tensors of dtype %d up over the ranks on the CPU: use float32, float64, bfloat16 or int64", dtype)
}

type number interface{ float32 | float64 | int64 }

// numbers looks at memory as numbers.
func numbers[T number | uint16](b []byte) []T {
	var zero T
	if len(b) == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(zero)))
}

func bytesOf[T number | uint16](v []T) []byte {
	var zero T
	if len(v) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*int(unsafe.Sizeof(zero)))
}

// grain is what chunks are multiples of, in elements.
const grain = 16

// chunk returns where the i-th of parts chunks of n elements begins and ends.
func chunk(n, parts, i int) (from, to int) {
	grains := (n + grain - 1) / grain
	at := func(i int) int { return min(n, grains*i/parts*grain) }
	return at(i), at(i + 1)
}

// chunkOf is chunk in a slice; i may lie up to one turn outside 0 to size-1.
func chunkOf[T any](r *ring, v []T, i int) []T {
	from, to := chunk(len(v), r.size, (i+2*r.size)%r.size)
	return v[from:to]
}

func sumNumbers[T number](r *ring, data []byte) error {
	v := numbers[T](data)
	if err := collect(r, v); err != nil {
		return err
	}
	return spread(r, func(i int) []byte { return bytesOf(chunkOf(r, v, i)) })
}

// collect is the first turn. Afterwards chunk rank+1 is finished.
func collect[T number](r *ring, v []T) error {
	for s := range r.size - 1 {
		out, in := chunkOf(r, v, r.rank-s), chunkOf(r, v, r.rank-s-1)
		var zero T
		err := r.exchange(bytesOf(out), len(bytesOf(in)), func(at int, b []byte) {
			add(in[at/int(unsafe.Sizeof(zero)):], numbers[T](b))
		}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// spread is the second turn. chunk gives the memory of a chunk.
func spread(r *ring, chunk func(i int) []byte) error {
	for s := range r.size - 1 {
		if err := r.step(chunk(r.rank+1-s), chunk(r.rank-s)); err != nil {
			return err
		}
	}
	return nil
}

func add[T number](sum, v []T) {
	sum = sum[:len(v)]
	for i, x := range v {
		sum[i] += x
	}
}

// sumBFloat16 collects in float32 and rounds once, when a chunk is finished.
func sumBFloat16(r *ring, data []byte) error {
	v := numbers[uint16](data)
	wide := widen(v)
	if err := collect(r, wide); err != nil {
		return err
	}
	narrow(chunkOf(r, v, r.rank+1), chunkOf(r, wide, r.rank+1))
	return spread(r, func(i int) []byte { return bytesOf(chunkOf(r, v, i)) })
}

func widen(v []uint16) []float32 {
	wide := make([]float32, len(v))
	for i, b := range v {
		wide[i] = math.Float32frombits(uint32(b) << 16)
	}
	return wide
}

// narrow rounds to the nearest bfloat16, ties to even, as PyTorch does.
func narrow(dst []uint16, v []float32) {
	for i, x := range v {
		bits := math.Float32bits(x)
		if x != x {
			dst[i] = 0x7FC0
			continue
		}
		dst[i] = uint16((bits + 0x7FFF + bits>>16&1) >> 16)
	}
}
