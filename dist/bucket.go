package dist

import (
	"slices"

	"github.com/torchlit/torchlit/torch"
)

// placed is what a parameter is to the assignment of buckets.
type placed struct {
	bytes  int64
	dtype  int8
	device torch.Device
}

// assignBuckets puts parameters into buckets and returns each one's number and how many
// there are.
//
// The backward pass makes the gradients of the last layers first, so the buckets fill
// from the last parameter on, and bucket 0 is full first. It is smaller than the others
// (first against limit, in bytes), to have something to send early. A bucket is closed
// by the parameter that makes it reach its size, and holds one dtype and device.
// PyTorch's DistributedDataParallel does the same.
func assignBuckets(params []placed, first, limit int64) (bucketOf []int64, buckets int) {
	type open struct{ number, bytes int64 }
	type kind struct {
		dtype  int8
		device torch.Device
	}
	bucketOf = make([]int64, len(params))
	current := map[kind]*open{}
	for i, p := range slices.Backward(params) {
		k := kind{p.dtype, p.device}
		b := current[k]
		if b == nil {
			b = &open{number: int64(buckets)}
			current[k] = b
			buckets++
		}
		bucketOf[i] = b.number
		b.bytes += p.bytes
		most := limit
		if b.number == 0 {
			most = first
		}
		if b.bytes >= most {
			delete(current, k)
		}
	}
	return bucketOf, buckets
}
