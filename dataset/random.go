package dataset

import "math/bits"

// random is splitmix64: a tiny generator whose stream is a pure function of
// its first state. It is ours, and not math/rand, because the images an epoch
// shows must stay the same from release to release.
type random uint64

// seeded mixes the values into one starting state, so that neighbouring
// epochs and indexes have unrelated streams.
func seeded(values ...uint64) random {
	r := random(0x9e3779b97f4a7c15)
	for _, v := range values {
		r = random(uint64(r) ^ v)
		r = random(r.next())
	}
	return r
}

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number in [0, n), n ≥ 1. The bias of the multiplication is
// below n/2^64, far under what any use here can notice.
func (r *random) below(n int) int {
	hi, _ := bits.Mul64(r.next(), uint64(n))
	return int(hi)
}

// Permutation returns the order in which an epoch visits n images: a shuffle
// of 0…n-1 that depends on n, seed and epoch only.
func Permutation(n int, seed uint64, epoch int) []int32 {
	const orders = 1 // keeps this stream apart from the augmentations'
	r := seeded(orders, seed, uint64(epoch))
	p := make([]int32, n)
	for i := range p {
		j := r.below(i + 1)
		p[i] = p[j]
		p[j] = int32(i)
	}
	return p
}
