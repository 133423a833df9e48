package server

import (
	"cmp"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// randomExchange is a request as it may end.
func randomExchange(r *rand.Rand) (ex *exchange, status int) {
	part := func() time.Duration { return time.Duration(r.Int64N(int64(time.Minute))) >> r.IntN(30) }
	ex = &exchange{start: time.Now(), timing: timing{decode: part(), queue: part(), inference: part(), total: part()}}
	if r.IntN(8) > 0 {
		ex.images, ex.answered = 1+r.IntN(3), part()
	}
	if r.IntN(4) == 0 {
		ex.timing.cacheUse = cacheHit
	}
	return ex, []int{200, 200, 200, 400, 415, 499, 503, 504, 500}[r.IntN(9)]
}

// What many goroutines count at once, while others read and the collector takes the pieces out of their pool, is what one would
// have counted alone.
func TestShards(t *testing.T) {
	const workers, each = 8, 3000
	s, want := newShards(), new(record)
	var wg sync.WaitGroup
	for w := range workers {
		type request struct {
			ex     *exchange
			status int
		}
		var mine []request
		r := rand.New(rand.NewPCG(1, uint64(w)))
		for range each {
			ex, status := randomExchange(r)
			mine = append(mine, request{ex, status})
			want.countRequest(ex, status)
			want.countImage(ex.timing)
		}
		wg.Go(func() {
			for i, q := range mine {
				p := s.lock()
				p.countImage(q.ex.timing)
				s.unlock(p)
				p = s.lock()
				p.countRequest(q.ex, q.status)
				s.unlock(p)
				if i%500 == 0 {
					runtime.GC()
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	var last uint64
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		images := s.sum().images
		if images < last {
			t.Fatalf("%d images after %d", images, last)
		}
		last = images
	}
	got := s.sum()
	for _, r := range []*record{got, want} {
		slices.SortFunc(r.codes, func(a, b codeCount) int { return cmp.Compare(a.status, b.status) })
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the pieces add up to\n%+v\nwant\n%+v", got, want)
	}
}

// Prometheus' histogram is of the same requests, each in the first bucket whose bound it does not exceed.
func TestDurationsMetric(t *testing.T) {
	m := NewMetrics(nil)
	of := m.Model("m", "1")
	for _, took := range []time.Duration{0, 100 * time.Microsecond, 100*time.Microsecond + 1, 3 * time.Millisecond, time.Second, 30 * time.Second, time.Hour} {
		of.observeDecode(took)
	}
	const name = "torchlit_decode_duration_seconds"
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		h := f.Metric[0].Histogram
		if h.GetSampleCount() != 7 || h.GetSampleSum() < 3631.0032 || h.GetSampleSum() > 3631.0033 {
			t.Errorf("%d samples, %v s in all", h.GetSampleCount(), h.GetSampleSum())
		}
		want := map[float64]uint64{.0001: 2, .0002: 3, .002: 3, .005: 4, .5: 4, 1: 5, 10: 5, 30: 6}
		for _, b := range h.Bucket {
			if n, ok := want[b.GetUpperBound()]; ok && n != b.GetCumulativeCount() {
				t.Errorf("%d are at most %v s; want %d", b.GetCumulativeCount(), b.GetUpperBound(), n)
			}
			delete(want, b.GetUpperBound())
		}
		if len(want) > 0 {
			t.Errorf("there are no buckets for %v", want)
		}
	}
	if problems, err := testutil.GatherAndLint(m.registry); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}
