package bench

import "time"

// pulseEvery is how often a closed loop looks whether its process gets its turn.
const pulseEvery = 10 * time.Millisecond

// startClosedLoop starts clients that send, wait for their answer, and send again.
func startClosedLoop(r *run) {
	for client := range r.load.Clients {
		r.wg.Go(func() { r.client(client) })
	}
	r.wg.Go(r.pulse)
}

func (r *run) client(client int) {
	sender, s := r.target.Sender(), r.rec.shard(client)
	// Each client begins elsewhere in the list, or all would send the same image at the same time.
	for n := uint64(client); ; n += uint64(r.load.Clients) {
		select {
		case <-r.over:
			return
		default:
		}
		begin := time.Now()
		reply := sender.Send(n, begin)
		r.rec.record(s, begin, begin, time.Now(), reply)
		if reply.Outcome == Failed && reply.Kind != kindTimeout {
			// A server that is not there answers at once. Thousands of attempts a second would help nobody.
			r.pause(10 * time.Millisecond)
		}
	}
}

func (r *run) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.over:
	}
}

// pulse wakes up at fixed times and notes how late it is. In a closed loop no request is ever late, however busy the
// machine; this is what shows it.
func (r *run) pulse() {
	clock := r.load.alarm()
	defer clock.close()
	s := r.rec.shard(0)
	for due := r.start; ; {
		due = due.Add(pulseEvery)
		if wait := time.Until(due); wait > 0 {
			clock.sleep(wait)
		}
		select {
		case <-r.over:
			return
		default:
		}
		now := time.Now()
		r.rec.recordLag(s, due, now.Sub(due))
		if late := now.Sub(due); late > pulseEvery { // the missed ones are one delay, not many
			due = due.Add(late.Truncate(pulseEvery))
		}
	}
}
