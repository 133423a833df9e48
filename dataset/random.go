package dataset

import "github.com/torchlit/torchlit/dataset/internal/splitmix"

// Permutation returns the order in which an epoch visits n images: a shuffle
// of 0…n-1 that depends on n, seed and epoch only.
func Permutation(n int, seed uint64, epoch int) []int32 {
	const orders = 1 // keeps this stream apart from the augmentations'
	r := splitmix.Seeded(orders, seed, uint64(epoch))
	p := make([]int32, n)
	for i := range p {
		j := r.Below(i + 1)
		p[i] = p[j]
		p[j] = int32(i)
	}
	return p
}
