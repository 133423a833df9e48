package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Load says what a target is to bear. Rate and Clients exclude each other.
type Load struct {
	Rate     float64  // open loop: requests a second
	Arrivals Arrivals // of an open loop; default Poisson
	Seed     uint64   // of Poisson arrivals: the same seed, the same times
	Clients  int      // closed loop: clients that wait for their answers

	// Connections is the number of requests that an open loop may have under way at once. Default 4096.
	Connections int

	Warmup   time.Duration // before anything counts
	Duration time.Duration // of the window in which everything counts
	Deadline time.Duration // by which an answer is of use; 0 means always
	Timeout  time.Duration // the target's; a request that found no connection for so long is given up unsent; 0 means never

	// Progress, if not nil, is called about once a second by one goroutine.
	Progress func(Progress)

	// tooLate ends an open loop once more than this number of requests has waited for longer than tooLong: the question whether a
	// percentile is kept is answered then.
	tooLate int64
	tooLong time.Duration

	// alarm replaces newAlarm where time is fake.
	alarm func() sleeper
}

// sleeper lets its owner sleep. It belongs to one goroutine at a time.
type sleeper interface {
	sleep(d time.Duration)
	close()
}

// Progress is how a run fares at the moment.
type Progress struct {
	Over    bool          // the window is over; only requests under way are waited for, and nothing else is known
	Warm    bool          // the warm-up is over
	Elapsed time.Duration // of the warm-up or of the window
	Of      time.Duration
	// Of the last second.
	Requests, Images float64 // answers a second
	Bad              float64 // refused, expired and failed, a second
	P50, P99         time.Duration
}

// defaultConnections is far above what a server needs to be busy, and below what a process may usually open.
const defaultConnections = 4096

// fill puts the defaults in and says what does not fit.
func (l *Load) fill() error {
	switch {
	case l.Rate < 0 || l.Clients < 0 || l.Connections < 0 || l.Warmup < 0 || l.Deadline < 0:
		return errors.New("rate, clients, connections, warm-up and deadline cannot be negative")
	case l.Rate > 0 && l.Clients > 0:
		return errors.New("a rate is an open loop, clients are a closed one: give one of them")
	case l.Rate == 0 && l.Clients == 0:
		return errors.New("give a rate or a number of clients")
	case l.Duration <= 0:
		return fmt.Errorf("a duration of %s measures nothing", l.Duration)
	}
	if l.Arrivals == "" {
		l.Arrivals = Poisson
	}
	if l.Connections == 0 {
		l.Connections = defaultConnections
	}
	if l.alarm == nil {
		l.alarm = func() sleeper { return newAlarm() }
	}
	return nil
}

// grace is how long requests under way may take to end after a run was interrupted.
const grace = time.Second

// Run puts the load on the target and returns how it fared. When ctx ends, the run does too; what was measured so far is returned
// and Result.Interrupted is set. The target stays open.
func Run(ctx context.Context, t Target, l Load) (*Result, error) {
	if err := l.fill(); err != nil {
		return nil, err
	}
	start := time.Now()
	r := &run{
		load: l, target: t, start: start,
		end:  start.Add(l.Warmup + l.Duration),
		rec:  newRecorder(start.Add(l.Warmup), l.Duration, l.Deadline),
		over: make(chan struct{}),
	}
	r.rec.bound = l.tooLong
	stop := r.generate()
	r.attend(ctx)
	r.settle(ctx)
	stop()
	return r.result(), nil
}

// run is a run under way.
type run struct {
	load   Load
	target Target
	rec    *recorder
	start  time.Time
	end    time.Time

	over chan struct{} // closed when no more requests shall begin
	once sync.Once     // closes over
	wg   sync.WaitGroup

	stopped time.Time // when over was closed
	aborted bool      // by ctx; written before over is closed
	early   bool      // ended because the question was answered; likewise
	usage   [2]cpuUsage
	workers int // that an open loop had at most
}

// finish ends the run: no request begins any more.
func (r *run) finish() {
	r.once.Do(func() {
		r.stopped = time.Now()
		close(r.over)
	})
}

// generate starts what sends. It returns what is to be done when all requests have ended.
func (r *run) generate() (stop func()) {
	if r.load.Rate > 0 {
		o := newOpenLoop(r)
		o.start()
		return o.close
	}
	startClosedLoop(r)
	return func() {}
}

// attend waits for the end of the run. Meanwhile it notes what the client itself uses in the window, and reports.
func (r *run) attend(ctx context.Context) {
	r.usage[0] = usageNow()
	tick := time.NewTicker(r.tick())
	defer tick.Stop()
	warm := time.NewTimer(r.load.Warmup)
	defer warm.Stop()
	end := time.NewTimer(r.load.Warmup + r.load.Duration)
	defer end.Stop()
	for {
		select {
		case <-warm.C:
			r.usage[0] = usageNow()
		case <-end.C:
			r.usage[1] = usageNow()
			if r.load.Clients > 0 {
				r.finish()
			} // An open loop ends when all that was due is sent.
		case now := <-tick.C:
			r.report(now)
			if r.load.tooLate > 0 && r.rec.beyond() > r.load.tooLate {
				r.early = true
				r.finish()
			}
		case <-r.over:
			if r.usage[1].at.IsZero() {
				r.usage[1] = usageNow()
			}
			return
		case <-ctx.Done():
			r.aborted = true
			r.finish()
		}
	}
}

func (r *run) tick() time.Duration {
	if r.load.tooLate > 0 {
		return time.Second / 4
	}
	return time.Second
}

func (r *run) report(now time.Time) {
	if r.load.Progress == nil {
		return
	}
	if now.Before(r.rec.from) {
		r.load.Progress(Progress{Elapsed: now.Sub(r.start), Of: r.load.Warmup})
		return
	}
	p := Progress{Warm: true, Elapsed: now.Sub(r.rec.from), Of: r.load.Duration}
	if b, ok := r.rec.latest(now); ok {
		seconds := r.rec.width.Seconds()
		p.Requests = float64(b.done[Answered]) / seconds
		p.Images = float64(b.images) / seconds
		p.Bad = float64(b.done[Refused]+b.done[Expired]+b.done[Failed]) / seconds
		p.P50, p.P99 = b.waited.quantile(0.5), b.waited.quantile(0.99)
	}
	r.load.Progress(p)
}

// settle waits for the requests under way. When ctx ends, or has ended, they have a moment and are then cut off.
func (r *run) settle(ctx context.Context) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.wg.Wait()
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
			if r.load.Progress != nil {
				r.load.Progress(Progress{Over: true})
			}
		case <-ctx.Done():
			cut := time.AfterFunc(grace, r.target.Abort)
			defer cut.Stop()
			<-ended
			return
		}
	}
}
