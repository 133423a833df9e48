package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// simulated is a server of fake time.
type simulated struct {
	serve   func(n uint64) Reply
	aborted atomic.Bool
	sent    atomic.Int64
}

func (s *simulated) Sender() Sender { return s }
func (s *simulated) Info() Info     { return Info{URL: "simulated", Batch: 1} }
func (s *simulated) Abort()         { s.aborted.Store(true) }
func (s *simulated) Close() error   { return nil }
func (s *simulated) Send(n uint64, _ time.Time) Reply {
	s.sent.Add(1)
	return s.serve(n)
}

// stalling answers within a millisecond, but for one second in which nothing moves.
func stalling(at time.Duration) *simulated {
	begin := time.Now()
	return &simulated{serve: func(uint64) Reply {
		time.Sleep(time.Millisecond)
		if now := time.Since(begin); now > at && now < at+time.Second {
			time.Sleep(at + time.Second - now)
		}
		return Reply{Outcome: Answered, Images: 1}
	}}
}

// fakeAlarm sleeps in fake time; a timerfd knows only the real one.
type fakeAlarm struct{}

func (fakeAlarm) sleep(d time.Duration) { time.Sleep(d) }
func (fakeAlarm) close()                {}

func faked(l Load) Load {
	l.alarm = func() sleeper { return fakeAlarm{} }
	return l
}

func runLoad(t *testing.T, target Target, l Load) *Result {
	t.Helper()
	r, err := Run(context.Background(), target, faked(l))
	require.NoError(t, err)
	return r
}

// A stall of one second in ten makes a tenth of the users wait, for half a second at the mean. An open loop shows that; a closed
// one sees one slow request of each client.
func TestNoCoordinatedOmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := runLoad(t, stalling(5*time.Second), Load{Rate: 200, Duration: 10 * time.Second})
		assert.InDelta(t, 2000, open.Requests, 200)
		assert.InDelta(t, 1, open.Latency.P50, 0.1)
		assert.InDelta(t, 900, open.Latency.P99, 60)
		assert.InDelta(t, 1000, open.Latency.Max, 20)
		assert.InDelta(t, 50, open.Latency.Mean, 15)
		assert.InDelta(t, 1000, open.Timeline[5].Max, 20, "the stall is where it was")
		assert.Less(t, open.Timeline[7].Max, 2.0)
		assert.False(t, open.ClientLimited, open.Why)
		assert.Less(t, open.Client.Lag.Max, 0.1)

		closed := runLoad(t, stalling(5*time.Second), Load{Clients: 4, Duration: 10 * time.Second})
		assert.Less(t, closed.Latency.P99, 2.0)
		assert.InDelta(t, 36000, closed.Requests, 100)
		assert.InDelta(t, 3600, closed.RequestsPerSecond, 10)
	})
}

// When all connections are busy the requests that are due wait, and their waiting counts.
func TestCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runLoad(t, stalling(2*time.Second), Load{Rate: 100, Arrivals: Uniform, Connections: 5, Duration: 5 * time.Second})
		assert.EqualValues(t, 500, r.Requests)
		assert.InDelta(t, 95, r.Client.Capped, 2)
		assert.InDelta(t, 1000, r.Latency.Max, 15)
		assert.InDelta(t, 950, r.Latency.P99, 15)
		assert.Equal(t, 5, r.Client.Connections)
		assert.True(t, r.ClientLimited)
		assert.Contains(t, r.Why, "waited for one of 5 connections")
	})
}

// What is due in the window counts however late its answer is, and throughput is what was answered within it.
func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &simulated{serve: func(uint64) Reply {
			time.Sleep(1500 * time.Millisecond)
			return Reply{Outcome: Answered, Images: 2}
		}}
		r := runLoad(t, slow, Load{Rate: 100, Arrivals: Uniform, Warmup: time.Second, Duration: 2 * time.Second, Deadline: time.Second})
		assert.EqualValues(t, 300, slow.sent.Load())
		assert.EqualValues(t, 200, r.Requests)
		assert.InDelta(t, 75, r.RequestsPerSecond, 1, "the first answer comes after half of the window's first second")
		assert.InDelta(t, 150, r.ImagesPerSecond, 2)
		assert.InDelta(t, 1500, r.Latency.P50, 2)
		assert.Zero(t, r.InTime)
		assert.Zero(t, r.Goodput)
	})
}

func TestOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mixed := &simulated{serve: func(n uint64) Reply {
			switch n % 10 {
			case 0:
				return Reply{Outcome: Refused}
			case 1:
				time.Sleep(200 * time.Millisecond)
				return Reply{Outcome: Expired}
			case 2:
				return Reply{Outcome: Failed, Kind: "http_500"}
			case 3:
				time.Sleep(3 * time.Second)
				return Reply{Outcome: Failed, Kind: kindTimeout}
			case 4:
				time.Sleep(300 * time.Millisecond)
			}
			return Reply{Outcome: Answered, Images: 1}
		}}
		r := runLoad(t, mixed, Load{Rate: 100, Arrivals: Uniform, Duration: 10 * time.Second, Deadline: 250 * time.Millisecond})
		assert.EqualValues(t, 1000, r.Requests)
		assert.EqualValues(t, 100, r.Refused.Count)
		assert.Equal(t, 0.1, r.Refused.Share)
		assert.EqualValues(t, 100, r.Expired.Count)
		assert.InDelta(t, 200, r.Expired.Latency.P50, 1)
		assert.EqualValues(t, 200, r.Errors)
		assert.Equal(t, map[string]int64{"http_500": 100, "timeout": 100}, r.ErrorsByKind)
		assert.InDelta(t, 50, r.Goodput, 1)
		assert.InDelta(t, 5.0/9, r.InTime, 0.01)
		assert.InDelta(t, 3000, r.Latency.Max, 3, "who gave up has waited")
		assert.InDelta(t, 60, r.RequestsPerSecond, 1)
	})
}

func TestInterrupted(t *testing.T) {
	f := func(l Load) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			var abort = make(chan struct{})
			begin := time.Now()
			stuck := &simulated{}
			stuck.serve = func(n uint64) Reply {
				if n%50 == 49 && time.Since(begin) > 2*time.Second { // one that is never answered
					<-abort
					return Reply{Outcome: Failed, Kind: "connection_closed"}
				}
				time.Sleep(10 * time.Millisecond)
				return Reply{Outcome: Answered, Images: 1}
			}
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			defer cancel()
			r, err := Run(ctx, abortable{stuck, sync.OnceFunc(func() { close(abort) })}, faked(l))
			require.NoError(t, err)
			assert.LessOrEqual(t, time.Since(begin), 3*time.Second+grace+time.Millisecond)
			assert.True(t, r.Interrupted)
			assert.Equal(t, 2.0, r.Duration)
			assert.Positive(t, r.RequestsPerSecond)
			assert.Positive(t, r.Errors)
		})
	}
	f(Load{Rate: 100, Warmup: time.Second, Duration: time.Minute})
	f(Load{Clients: 200, Warmup: time.Second, Duration: time.Minute})
}

type abortable struct {
	*simulated
	abort func()
}

func (a abortable) Abort() { a.abort() }

func TestBadLoads(t *testing.T) {
	f := func(says string, l Load) {
		t.Helper()
		_, err := Run(context.Background(), stalling(0), l)
		assert.ErrorContains(t, err, says)
	}
	f("give one of them", Load{Rate: 1, Clients: 1, Duration: 1})
	f("give a rate or a number of clients", Load{Duration: 1})
	f("measures nothing", Load{Rate: 1})
	f("cannot be negative", Load{Rate: -1, Duration: 1})
}
