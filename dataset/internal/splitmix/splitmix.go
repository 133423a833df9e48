// Package splitmix is splitmix64: a tiny generator whose stream is a pure function of its
// first state (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
// 2014). It is ours, and not math/rand, because the images that an epoch shows must stay
// the same from release to release.
package splitmix

import "math/bits"

// Random is a stream. It belongs to one goroutine.
type Random uint64

const step = 0x9e3779b97f4a7c15

// Seeded mixes the values into one starting state, so that neighbouring epochs and
// indexes have unrelated streams.
func Seeded(values ...uint64) Random {
	r := Random(step)
	for _, v := range values {
		r = Random(uint64(r) ^ v)
		r = Random(r.Next())
	}
	return r
}

// Next takes one number.
func (r *Random) Next() uint64 {
	*r += step
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Below is evenly spread over 0 … n-1, for n of at least 1. It takes one number. The bias
// of the multiplication is below n/2^64, far under what any use here can notice.
func (r *Random) Below(n int) int {
	hi, _ := bits.Mul64(r.Next(), uint64(n))
	return int(hi)
}
