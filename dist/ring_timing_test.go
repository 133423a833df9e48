package dist

import (
	"testing"
	"time"

	"github.com/torchlit/torchlit/dist/store"
	"github.com/torchlit/torchlit/torch"
)

// The sum of a bucket of 25 MiB over ranks on this machine.
func BenchmarkRingSum(b *testing.B) {
	const ranks, n = 2, 25 << 20 / 4
	host, err := store.Listen("127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer host.Close()
	group := make([]*ring, ranks)
	data := make([][]float32, ranks)
	for rank, err := range errorsOf(ranks, func(rank int) (err error) {
		data[rank] = make([]float32, n)
		env := Env{Rank: rank, Size: ranks, LocalSize: ranks, Addr: host.Addr().String(), Hosted: true}
		group[rank], err = openRing(b.Context(), env, time.Minute)
		return err
	}) {
		if err != nil {
			b.Fatal(err)
		}
		defer group[rank].Close()
	}
	b.SetBytes(4 * n)
	for b.Loop() {
		for _, err := range errorsOf(ranks, func(rank int) error { return sum(group[rank], torch.Float, bytesOf(data[rank])) }) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
