package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestLimit(t *testing.T) {
	f := func(want string, lag, latency time.Duration, capped int64, cpu float64, l Load) {
		t.Helper()
		m := &shard{due: 1000, capped: capped}
		for range 1000 {
			m.lag.record(lag, 3)
			m.waited.record(latency, 3)
		}
		got := limit(m, cpu, l)
		if want == "" {
			assert.Empty(t, got)
			return
		}
		assert.Contains(t, got, want)
	}
	open, closed := Load{Rate: 100, Connections: 64}, Load{Clients: 4}
	f("", 100*time.Microsecond, 10*time.Millisecond, 0, 0.5, open)
	f("kept 90 % of its processors busy", 0, 10*time.Millisecond, 0, 0.9, open)
	f("", 0, 10*time.Millisecond, 10, 0.1, open)
	f("2.0 % of the requests waited for one of 64 connections", 0, 10*time.Millisecond, 20, 0.1, open)
	f("3 of the 10 ms of latency were the client's own", 3*time.Millisecond, 10*time.Millisecond, 0, 0.1, open)
	f("", 150*time.Microsecond, 200*time.Microsecond, 0, 0.1, open) // no clock is better than that
	f("got its turn 3 ms late", 3*time.Millisecond, 10*time.Millisecond, 0, 0.1, closed)
	f("", 3*time.Millisecond, 100*time.Millisecond, 0, 0.1, closed)
}

func TestHistogram(t *testing.T) {
	var h histogram
	assert.Nil(t, h.quantiles())
	assert.Nil(t, h.curve())
	for i := range 10000 {
		h.record(time.Duration(i+1)*time.Millisecond, 3)
	}
	q := h.quantiles()
	assert.EqualValues(t, 10000, q.Count)
	assert.InEpsilon(t, 5000, q.Mean, 0.002)
	assert.InEpsilon(t, 5000, q.P50, 0.002)
	assert.InEpsilon(t, 9900, q.P99, 0.002)
	assert.InEpsilon(t, 9990, q.P999, 0.002)
	assert.InEpsilon(t, 10000, q.Max, 0.002)
	last := Point{-1, 0}
	for _, p := range h.curve() {
		assert.Greater(t, p.Share, last.Share)
		assert.GreaterOrEqual(t, p.Latency, last.Latency)
		last = p
	}
	assert.Equal(t, Point{1, q.Max}, last)

	h.record(-time.Second, 3)
	h.record(1000*time.Hour, 3)
	assert.InEpsilon(t, longest.Seconds()*1000, h.quantiles().Max, 0.002)
	assert.InDelta(t, 0.001, ms(h.quantile(0)), 0.001)
}

func TestRound(t *testing.T) {
	f := func(v, want float64) {
		t.Helper()
		assert.Equal(t, want, round(v))
	}
	f(0, 0)
	f(0.1+0.2, 0.3)
	f(123456789, 123457000)
	f(1.23456789, 1.23457)
	f(0.000123456789, 0.000123457)
	f(-2.0000001, -2)
}

func TestReadImages(t *testing.T) {
	_, err := ReadImages(t.TempDir(), 1)
	assert.ErrorContains(t, err, "no name ends in .jpg")
	images := Synthetic(2, 5)
	assert.Len(t, images.Files, 2)
	assert.Equal(t, images, Synthetic(2, 5))
	assert.NotEqual(t, images.Files[0], images.Files[1])
	for _, f := range images.Files {
		assert.InDelta(t, 60_000, len(f), 40_000, "a photo of this size has about as many bytes")
	}
}
