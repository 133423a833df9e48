package batching

import (
	"context"
	"time"
)

// Refusal returns the error with which DoPriority would refuse an item of this priority and of ctx's deadline now, or nil. Whoever
// was let through calls DoAsked.
//
// It is for callers whose items take work to make, such as images that are decoded: whoever asks first does not do it in vain, and
// hears no as early as can be. ahead is how many items have been asked for and are being made; they are taken to come before this
// one. Without them everybody who asks between two batches would find the same place free. making is how long it takes until
// this one is made, where that is worth mentioning: where items are made more slowly than they are run, the time that they wait for is
// there. It reserves nothing: nil is a forecast, and DoAsked may still refuse, though rarely.
//
// A refusal is counted as that of an item.
func (b *Batcher[In, Out]) Refusal(ctx context.Context, p Priority, ahead int, making time.Duration) error {
	if err := ctx.Err(); err != nil {
		b.reject(rejectionOf(err))
		return err
	}
	it := item[In, Out]{priority: p, deadline: never}
	if d, ok := ctx.Deadline(); ok {
		it.deadline = d.Sub(b.epoch)
	}
	b.mu.Lock()
	why, err := b.refusalLocked(&it, max(ahead, 0), max(making, 0), b.now())
	b.mu.Unlock()
	if err != nil {
		b.reject(why)
	}
	return err
}

// refusalLocked is admitLocked without letting it in.
func (b *Batcher[In, Out]) refusalLocked(it *item[In, Out], ahead int, making time.Duration, now moment) (Rejection, error) {
	if why, doubt, err := b.hopelessLocked(it, now); doubt || err != nil {
		return why, err // In doubt the door will let it through as a probe.
	}
	if free, dismiss := b.placeLocked(it.priority, ahead, now); !free && !dismiss {
		b.mu.refused = now
		return RejectedQueueFull, b.retryLocked(ErrQueueFull, now)
	}
	it.due, it.seq = min(it.deadline, b.patienceLocked(it.priority, now)), b.mu.seq+1
	if err := b.backlogLocked(it, b.lineLocked(it.priority).place(it), ahead, making, now); err != nil {
		return RejectedBacklog, err
	}
	return 0, nil
}
