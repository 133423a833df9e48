package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bounds are how much a request may certainly cost, in bytes that never come back. What Go has from the system is a high-water mark: it
// is shown, and what of it is in use shows in the others.
var bounds = map[Series]float64{RSS: 16, PSS: 16, Heap: 8, Native: 8}

// slack is how far from its base a quantity may be when the server is quiet again. A thread that Go has made once for a call
// that blocks is kept; the others come back to the one.
var slack = map[Series]float64{Tensors: 0, Goroutines: 0, Connections: 0, Descriptors: 0, Threads: 8}

// plan says how long a soak is.
type plan struct {
	title    string
	requests int64         // 0: as many as fit
	duration time.Duration // 0: as long as it takes
	least    time.Duration // goes on for so long when the requests took less, so that slopes mean something
	seed     uint64
	clients  int
	dir      string // of the report; "" for none
	args     []string
}

// In the warm-up everything may still grow. The server remembers the figures of each of the last five minutes' seconds, so it is over
// after these at the earliest; and slopes are held to their bounds where two minutes follow it.
const (
	warmupPart  = 4   // one in
	warmupLeast = 320 // samples, one a second
	slopeLeast  = 120
)

// soak starts a server, puts it under load, and checks that it is what it was.
func soak(t *testing.T, p plan) {
	root := models(t)
	s := start(t, append([]string{"--models", root, "--version-policy", "all"}, p.args...)...)
	all := pictures(t, p.seed)
	askEngine(t, root, precisions(t, s), all)
	m := &maker{t, rand.New(rand.NewPCG(p.seed, 3)), all}
	l := newLoad(t, s, all, slicesOf(m.good(), m.v2(), m.overGRPC(), m.pages(), m.bad(), m.odd()))
	sampler, err := NewSampler(s.cmd.Process.Pid, s.url())
	require.NoError(t, err)
	defer sampler.Close()
	o := &operator{s: s, root: root, fail: l.fail}

	// Every kind and every act once or more, so that what is made at its first time is not taken for growth.
	o.round()
	l.run(t.Context(), p.clients, p.seed+1, int64(4*len(l.lots)))
	base := quiet(t, sampler, nil)
	warm := l.answered.Load()

	r := &Report{Title: p.title, Facts: p.facts(s), Trends: map[Series]Trend{}, Bounds: bounds}
	r.Samples = drive(t, p, l, o, sampler)
	end := quiet(t, sampler, &base)
	r.Counts, r.Failures = l.counts(), l.failures
	r.Warm = min(len(r.Samples), max(len(r.Samples)/warmupPart, warmupLeast))
	telling := len(r.Samples)-r.Warm >= slopeLeast
	r.Facts = append(r.Facts, [2]string{"requests", fmt.Sprintf("%d, and %d before the first sample", l.answered.Load()-warm, warm)},
		[2]string{"acts of the operator", strconv.Itoa(o.acts)})
	for _, series := range AllSeries() {
		trend, err := Fit(r.Samples[r.Warm:], series)
		if err != nil {
			require.False(t, telling, err)
			continue
		}
		r.Trends[series] = trend
		if bound, ok := bounds[series]; ok && telling && trend.Above(bound) {
			r.Failures = append(r.Failures, fmt.Sprintf("%s rises by %s; the bound is %g", series, trend, bound))
		}
	}
	for series, slack := range slack {
		if got := end.Values[series]; got > base.Values[series]+slack {
			r.Failures = append(r.Failures, fmt.Sprintf("%s: %g when the server is quiet again; %g before", series, got, base.Values[series]))
		}
	}
	r.Failures = append(r.Failures, verdict(t, s, sampler)...)
	if p.dir != "" {
		require.NoError(t, r.Write(p.dir))
		t.Logf("the report is in %s", p.dir)
	}
	tell(t, r, base, end)
	for _, f := range r.Failures {
		t.Error(f)
	}
}

func slicesOf(lists ...[]kind) (all []kind) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// facts are what the report begins with.
func (p plan) facts(s *server) [][2]string {
	host, _ := os.Hostname()
	return [][2]string{{"begun", time.Now().UTC().Format(time.RFC3339)}, {"machine", fmt.Sprintf("%s, %d CPUs", host, runtime.NumCPU())},
		{"seed", strconv.FormatUint(p.seed, 10)}, {"clients", strconv.Itoa(p.clients)}, {"server", strings.Join(s.cmd.Args[1:], " ")}}
}

// drive runs the load, and takes a sample every second.
func drive(t *testing.T, p plan, l *load, o *operator, sampler *Sampler) []Sample {
	ctx, cancel := context.WithCancel(t.Context())
	if p.duration > 0 {
		ctx, cancel = context.WithTimeout(t.Context(), p.duration)
	}
	var around sync.WaitGroup
	around.Go(func() { o.work(ctx) })
	limit := l.started.Load() + p.requests
	if p.requests == 0 {
		limit = 1 << 62
	}
	first, began := l.answered.Load(), time.Now()
	var samples []Sample
	around.Go(func() {
		for tick := time.NewTicker(time.Second); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
			sample, err := sampler.Sample(ctx)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				l.fail("sample: %v", err)
				continue
			}
			sample.Elapsed, sample.Requests = time.Since(began), l.answered.Load()-first
			if samples = append(samples, sample); len(samples)%60 == 0 {
				t.Logf("%s: %d requests, rss %.1f MB", sample.Elapsed.Round(time.Second), sample.Requests, sample.Values[RSS]/1e6)
			}
		}
	})
	l.run(ctx, p.clients, p.seed, limit)
	if rest := p.least - time.Since(began); rest > 0 {
		more, done := context.WithTimeout(ctx, rest)
		l.run(more, p.clients, p.seed+2, 1<<62)
		done()
	}
	cancel()
	around.Wait()
	o.restore(t)
	return samples
}

// settle is how long nothing may have fallen any more before the server counts as quiet: fasthttp looks every ten seconds for
// goroutines that have been idle for as long.
const settle = 12

// quiet waits until nothing goes on any more; with the sample from before the load, until what is counted is as it was, for a minute at
// most. Then it samples.
func quiet(t *testing.T, sampler *Sampler, before *Sample) Sample {
	t.Helper()
	least, since := math.Inf(1), 0
	for range 60 {
		time.Sleep(time.Second)
		s, err := sampler.Sample(t.Context())
		require.NoError(t, err)
		if before != nil && back(s, *before) {
			return s
		}
		if since++; s.Values[Goroutines] < least {
			least, since = s.Values[Goroutines], 0
		}
		if before == nil && since >= settle {
			return s
		}
	}
	s, err := sampler.Sample(t.Context())
	require.NoError(t, err)
	return s
}

// back reports whether all that is counted is as it was before.
func back(s, before Sample) bool {
	for series, slack := range slack {
		if s.Values[series] > before.Values[series]+slack {
			return false
		}
	}
	return true
}

// verdict is what the server itself says of the soak.
func verdict(t *testing.T, s *server, sampler *Sampler) (wrong []string) {
	for _, line := range s.complaints() {
		wrong = append(wrong, "the server's log: "+line)
	}
	metrics, err := sampler.Metrics(t.Context())
	require.NoError(t, err)
	for _, name := range []string{"torchlit_worker_restarts_total"} {
		if metrics[name] > 0 {
			wrong = append(wrong, fmt.Sprintf("%s is %g", name, metrics[name]))
		}
	}
	return wrong
}

func tell(t *testing.T, r *Report, base, end Sample) {
	for _, c := range r.Counts {
		t.Logf("%-30s %8d sent, %d wrong; %s", c.Kind, c.Sent, c.Wrong, c.Statuses)
	}
	for _, s := range AllSeries() {
		t.Logf("%-12s quiet before %s, after %s; slope %s", s, amount(base.Values[s], s), amount(end.Values[s], s), r.Trends[s])
	}
}

// precisions asks in which precision each version of each model runs.
func precisions(t *testing.T, s *server) map[string]string {
	t.Helper()
	resp, err := http.Get(s.url() + "/v1/models")
	require.NoError(t, err)
	defer resp.Body.Close()
	var list struct {
		Models []struct {
			Name, Precision string
			Versions        []string
		}
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&list))
	out := map[string]string{}
	for _, m := range list.Models {
		for _, v := range m.Versions {
			out[modelKey(m.Name, v)] = m.Precision
		}
	}
	require.Len(t, out, 4, "%+v", list)
	return out
}

// number reads a whole number from the environment.
func number(t testing.TB, name string, otherwise int64) int64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	require.NoError(t, err, name)
	return n
}

// A few thousand requests, so that the soak itself does not rot. It is too short for slopes.
func TestServerUnderMixedLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("not in short tests: it waits for goroutines to end")
	}
	soak(t, plan{title: "A short mixed load", requests: 2000, seed: uint64(number(t, "TORCHLIT_SOAK_SEED", 1)), clients: 6, dir: os.Getenv("TORCHLIT_SOAK_DIR")})
}

// everything are the settings of the second server: what takes memory only when it is asked for.
func everything(t *testing.T) []string {
	dir := t.TempDir()
	return []string{"--cache-bytes", "200000", "--dedup", "--monitor", "--monitor-dir", filepath.Join(dir, "predictions"),
		"--access-log", filepath.Join(dir, "access.log"), "--latency-target", "30s"}
}
