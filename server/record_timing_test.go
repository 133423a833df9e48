package server

import (
	"testing"
	"time"
)

// BenchmarkCount is what counting costs a request of one image: alone, and with all cores counting the same version's.
func BenchmarkCount(b *testing.B) {
	m := NewMetrics(nil)
	count := func() func() {
		t := timing{queue: 12 * time.Microsecond, inference: time.Millisecond, total: 1234 * time.Microsecond}
		ex := &exchange{model: &served{counts: m.Model("m", "1")}, start: time.Now(), timing: t, images: 1, answered: t.total}
		return func() {
			ex.model.counts.observeAnswer(ex.timing)
			m.observeRequest(ex, 200)
		}
	}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		f := count()
		for b.Loop() {
			f()
		}
	})
	b.Run("all-cores", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			f := count()
			for pb.Next() {
				f()
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
				p := v.stats.lock()
				p.countOutcome(200, time.Duration(1+i)*time.Millisecond)
				v.stats.unlock(p)
			}
		}
		s.take(time.Now())
	}
}
