package server

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestLatencyBuckets(t *testing.T) {
	last := -1
	for us := int64(0); us < 1<<latencyOctaves; us += 1 + us/200 {
		d := time.Duration(us) * time.Microsecond
		b := bucketOf(d)
		if b != last && b != last+1 {
			t.Fatalf("bucket %d follows %d at %s", b, last, d)
		}
		last = b
		allowed := max(time.Microsecond/2, time.Duration(float64(d)*latencyError))
		if off := (middleOf(b) - d).Abs(); off > allowed {
			t.Fatalf("%s is in a bucket whose middle is %s: off by %s, allowed is %s", d, middleOf(b), off, allowed)
		}
	}
	if last != latencyBuckets-1 || bucketOf(time.Hour) != last || bucketOf(math.MaxInt64) != last || bucketOf(-1) != 0 {
		t.Fatalf("the last bucket is %d", last)
	}
}

// The quantiles are compared with those of the sorted values themselves.
func TestQuantile(t *testing.T) {
	for range 200 {
		var c totals
		var all []time.Duration
		for range 1 + rand.IntN(500) {
			d := time.Duration(math.Exp(rand.NormFloat64()*2) * float64(5*time.Millisecond))
			all = append(all, d)
			c.latency.add(d)
		}
		slices.Sort(all)
		f := c.since(new(totals))
		for _, q := range []float64{0, .5, .9, .99, 1} {
			want := all[max(int(math.Ceil(q*float64(len(all))))-1, 0)]
			got := quantile(f.latency, q)
			if off := (got - want).Abs(); off > time.Duration(float64(want)*latencyError)+time.Microsecond {
				t.Fatalf("of %d values the quantile %v is %s; want %s", len(all), q, got, want)
			}
		}
	}
}
