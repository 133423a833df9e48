package sim

import "time"

// FixedDelay is Triton's dynamic batcher: a batch is sent when it is full, or when its oldest item has waited for Delay, provided
// that an instance is free. The queue policy is its best for deadlines: what is older than a timeout when a batch is formed is
// rejected. The queue is unbounded, which is the default.
// (triton-inference-server/core, src/dynamic_batch_scheduler.cc; common, model_config.proto.)
type FixedDelay struct {
	Delay time.Duration
	Tuned bool // the timeout is the deadline less the run of a full batch, as by an operator who knows both; else the deadline
}

// Name implements Policy.
func (p FixedDelay) Name() string {
	name := "Triton: delay " + p.Delay.String()
	if p.Tuned {
		name += ", timeout tuned by hand"
	}
	return name
}

// Serve implements Policy.
func (p FixedDelay) Serve(m Machine, l Load) Outcome {
	timeout := l.Deadline
	if p.Tuned {
		timeout -= m.Costs.Of(m.MaxBatch)
	}
	return serve(m, l, timeout, func(free time.Duration, waiting []time.Duration) time.Duration {
		oldest := waiting[0] + p.Delay
		if len(waiting) >= m.MaxBatch {
			oldest = min(oldest, waiting[m.MaxBatch-1])
		}
		return max(free, oldest)
	})
}

// Window is LitServe's loop: when it comes round it collects for Timeout, or until the batch is full, and runs what it has. The
// window begins when the loop does, not when an item comes. What is older than the deadline is answered 504 when it is dequeued.
// (Lightning-AI/LitServe, src/litserve/loops/base.py, simple_loops.py.)
type Window struct{ Timeout time.Duration }

// Name implements Policy.
func (p Window) Name() string { return "LitServe: timeout " + p.Timeout.String() }

// Serve implements Policy.
func (p Window) Serve(m Machine, l Load) Outcome {
	return serve(m, l, l.Deadline, func(free time.Duration, waiting []time.Duration) time.Duration {
		end := free + p.Timeout
		if p.Timeout > 0 && waiting[0] > end { // Whole windows pass before anything comes.
			end += (waiting[0] - end + p.Timeout - 1) / p.Timeout * p.Timeout
		}
		end = max(end, waiting[0])
		if len(waiting) >= m.MaxBatch && waiting[m.MaxBatch-1] <= end {
			return max(free, waiting[m.MaxBatch-1])
		}
		return end
	})
}

// Single runs one item after the other: a web handler that calls the model.
type Single struct{}

// Name implements Policy.
func (Single) Name() string { return "no batching" }

// Serve implements Policy.
func (Single) Serve(m Machine, l Load) Outcome {
	m.MaxBatch = 1
	return serve(m, l, 0, func(free time.Duration, waiting []time.Duration) time.Duration { return max(free, waiting[0]) })
}

// serve plays a policy of one queue and one runner: begin returns when the next batch is sent, given when the runner is free and
// when the items that are not served yet come or came. What is older than timeout by then is not run, unless that is 0.
func serve(m Machine, l Load, timeout time.Duration, begin func(free time.Duration, waiting []time.Duration) time.Duration) Outcome {
	var o Outcome
	run := m.runs()
	free := time.Duration(0)
	for rest := l.Arrivals; len(rest) > 0; {
		at := begin(free, rest)
		n := 0
		for n < len(rest) && n < m.MaxBatch && rest[n] <= at {
			n++
		}
		batch := rest[:n]
		if timeout > 0 {
			dead := 0
			for dead < n && at-batch[dead] > timeout {
				dead++
			}
			if dead > 0 { // They leave, and the batch is formed anew.
				o.Late += dead
				rest = rest[dead:]
				continue
			}
		}
		free = at + run(n)
		o.Runs++
		for _, a := range batch {
			o.answered(free-a, free, l.Deadline)
		}
		rest = rest[n:]
	}
	o.finish(l)
	return o
}
