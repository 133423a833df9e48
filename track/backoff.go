package track

import (
	"math/rand/v2"
	"time"
)

// backoff is the waiting between tries: twice as long each time, up to a longest, and
// between half and all of that at random, so that many runs that lost one server do
// not come back to it at once.
type backoff struct{ first, longest, last time.Duration }

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, b.first), b.longest)
	return b.last/2 + rand.N(b.last/2+1)
}

func (b *backoff) reset() { b.last = 0 }
