package bench

import (
	"sync/atomic"
	"time"
)

// openLoop sends each request when it is due, whatever became of those before.
//
// Whoever waits for the next request to be due leads. One worker leads at a time; the lead is a token in a channel, and schedule, clock and
// counters belong to who holds it. When the request is due, the leader puts the token back, so that another waits
// for the next one, and sends the request itself. So no request passes from one goroutine to another before it is sent. If
// no worker is idle to take the lead, one more is started, up to the cap. At the cap the token lies there until a request
// ends; the next leader then finds requests that are overdue, and sends them at once. Their latency has been running since they were due.
type openLoop struct {
	*run
	lead chan struct{} // capacity 1
	idle atomic.Int64  // workers that wait for the lead

	// Of the leader.
	schedule *schedule
	clock    sleeper
	n        uint64
	starved  bool // nobody was there to take the lead
}

// firstWorkers are started before the first request.
const firstWorkers = 8

func newOpenLoop(r *run) *openLoop {
	return &openLoop{
		run: r, lead: make(chan struct{}, 1),
		schedule: newSchedule(r.load.Arrivals, r.load.Rate, r.load.Seed), clock: r.load.alarm(),
	}
}

func (o *openLoop) start() {
	for range min(firstWorkers, o.load.Connections) {
		o.add()
	}
	o.lead <- struct{}{}
}

// close frees what the leader had. All workers have ended.
func (o *openLoop) close() { o.clock.close() }

func (o *openLoop) add() {
	o.workers++
	worker := o.workers
	o.idle.Add(1) // it is as good as waiting already
	o.wg.Go(func() { o.work(worker) })
}

func (o *openLoop) work(worker int) {
	sender, s := o.target.Sender(), o.rec.shard(worker)
	for {
		select {
		case <-o.lead:
			o.idle.Add(-1)
		case <-o.over:
			return
		}
		due, ok := o.await()
		if !ok {
			o.finish()
			return
		}
		o.n++
		n, capped := o.n, o.starved
		o.pass()
		o.send(sender, s, n, due, capped)
		o.idle.Add(1)
	}
}

// await waits until the next request is due. It returns false when there is none any more.
func (o *openLoop) await() (due time.Time, ok bool) {
	due = o.run.start.Add(o.schedule.next())
	if !due.Before(o.end) {
		return due, false
	}
	for {
		select {
		case <-o.over: // cut short
			return due, false
		default:
		}
		now := time.Now()
		if !now.Before(due) {
			return due, true
		}
		// A long wait is made of short ones, so that an interruption is noticed.
		o.starved = false
		o.clock.sleep(min(due.Sub(now), 100*time.Millisecond))
	}
}

// pass gives the lead away.
func (o *openLoop) pass() {
	if o.idle.Load() == 0 {
		if o.workers < o.load.Connections {
			o.add()
		} else {
			o.starved = true
		}
	}
	o.lead <- struct{}{}
}

func (o *openLoop) send(sender Sender, s *shard, n uint64, due time.Time, capped bool) {
	now := time.Now()
	if capped {
		o.rec.recordCapped(s, due)
		if o.load.Timeout > 0 && now.Sub(due) > o.load.Timeout {
			o.rec.record(s, due, now, now, Reply{Outcome: Failed, Kind: kindTimeout})
			return
		}
	} else {
		o.rec.recordLag(s, due, now.Sub(due))
	}
	reply := sender.Send(n, due)
	o.rec.record(s, due, now, time.Now(), reply)
}
