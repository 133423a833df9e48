package server

import (
	"testing"
	"time"
)

// BenchmarkTally is what the dashboard costs a request: alone, and with all cores counting the same version's.
func BenchmarkTally(b *testing.B) {
	b.Run("one", func(b *testing.B) {
		var t tally
		b.ReportAllocs()
		for b.Loop() {
			t.request(200, 1234*time.Microsecond)
		}
	})
	b.Run("all-cores", func(b *testing.B) {
		var t tally
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				t.request(200, 1234*time.Microsecond)
			}
		})
	})
}

// BenchmarkSample is what each second costs, with ten versions of which each had requests of a hundred different latencies.
func BenchmarkSample(b *testing.B) {
	m := NewMetrics(nil)
	versions := make([]*ModelMetrics, 10)
	for i := range versions {
		versions[i] = m.Model("m", string(rune('a'+i)))
	}
	c := &catalog{}
	s := &sampler{metrics: m, models: func() *catalog { return c }, each: map[*statistics]*totals{}}
	for b.Loop() {
		for _, v := range versions {
			for i := range 100 {
				v.stats.tally.request(200, time.Duration(1+i)*time.Millisecond)
			}
		}
		s.take(time.Now())
	}
}
