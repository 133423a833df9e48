package isolate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/torchlit/torchlit/vision"
)

// exchange is one image at one worker, from the memory that is taken for it to the memory that is given back.
type exchange struct {
	pool  *Pool
	w     *worker
	lim   vision.Limits
	job   job
	taken int64     // of lim.Memory
	until time.Time // when the worker is killed
	asked bool      // the worker has asked for more
	none  error     // why it was given none
	wrote int       // bytes of pixels
}

// inHand is how much memory a job is given with its image, which is enough for most: a picture of a megapixel. So most are done in one
// round. A picture that takes more is asked for (see want).
const inHand = 4 << 20

// errUndelivered says that the worker had died before it was given the image, so that another can have it.
var errUndelivered = errors.New("undelivered")

// errAbandoned says that the exchange goes on without the one who asked for it.
var errAbandoned = errors.New("abandoned")

func (x *exchange) take(n int64) error {
	if x.lim.Memory == nil {
		return nil
	}
	n = min(n, x.lim.Memory.Limit())
	if err := x.lim.Memory.Take(n); err != nil {
		return err
	}
	x.taken = n
	return nil
}

func (x *exchange) give() {
	if x.lim.Memory != nil {
		x.lim.Memory.Give(x.taken)
	}
	x.taken = 0
}

// end gives back the memory and the worker.
func (x *exchange) end() {
	tidy(x.w.data, x.job.size)
	tidy(x.w.pixels, x.wrote)
	x.give()
	x.pool.put(x.w)
}

// decode has the worker decode data. The pixels are in its shared memory then, until end. If ctx is over before the worker is done,
// it returns errAbandoned, and end is called when the worker is.
func (x *exchange) decode(ctx context.Context, pre *vision.Preprocess, data []byte) (answer, error) {
	w, cfg := x.w, &x.pool.cfg
	// Behind the worker: who has one never waits for those who wait for one.
	if err := x.take(inHand); err != nil {
		return answer{}, err
	}
	w.number++
	maxPixels := x.lim.MaxPixels
	if maxPixels <= 0 {
		maxPixels = vision.DefaultMaxPixels
	}
	x.job = job{number: w.number, size: copy(w.data, data), maxPixels: min(maxPixels, cfg.MaxPixels), inHand: x.taken, pre: *pre}
	if x.lim.Memory != nil {
		x.job.memory = x.lim.Memory.Limit()
	}
	var b [maxMessage]byte
	if w.say(x.job.append(b[:0])) != nil {
		w.unfit.Store(true)
		return answer{}, errUndelivered
	}
	x.until = time.Now().Add(cfg.Timeout)
	patience := x.until
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(patience) {
		patience = deadline
	}
	a, err := x.await(patience)
	if timedOut(err) && time.Now().Before(x.until) {
		x.pool.wg.Go(func() {
			_, err := x.await(x.until)
			_ = x.outcome(err)
			x.end()
		})
		return a, errAbandoned
	}
	if err := x.outcome(err); err != nil {
		return a, err
	}
	return a, a.refused
}

// outcome is what await's error means, after what has to be done about it was done.
func (x *exchange) outcome(err error) error {
	switch {
	case err == nil:
		return nil
	case timedOut(err):
		x.w.kill(Stuck)
		return fmt.Errorf("%w within %s", ErrStuck, x.pool.cfg.Timeout)
	}
	return x.failed(err)
}

// await waits for the answer, and meanwhile gets the worker the memory that it asks for. The time that this takes is not the worker's.
func (x *exchange) await(patience time.Time) (answer, error) {
	for {
		b, err := x.w.hear(patience)
		if err != nil {
			return answer{}, err
		}
		if len(b) == 0 || b[0] != kindWant {
			a, err := parseAnswer(b, &x.job, x.taken, len(x.w.pixels))
			x.wrote = max(3*a.columns*a.rows, x.wrote)
			if err == nil && x.none != nil { // whatever it says: it was to give up
				a.refused = x.none
			}
			return a, err
		}
		n, err := parseWant(b, &x.job)
		if err != nil {
			return answer{}, err
		}
		if x.asked {
			return answer{}, fmt.Errorf("%w: memory is wanted again", errNonsense)
		}
		x.asked = true
		waited := x.exchangeMemory(n)
		patience, x.until = patience.Add(waited), x.until.Add(waited)
		var out [maxMessage]byte
		if err := x.w.say(appendHave(out[:0], x.job.number, x.none == nil)); err != nil {
			return answer{}, err
		}
	}
}

// exchangeMemory takes n bytes in place of those in hand: nobody waits for memory while he holds some. Where they are refused, the worker
// may have none, which x.none tells.
func (x *exchange) exchangeMemory(n int64) (waited time.Duration) {
	begin := time.Now()
	x.give()
	x.none = x.take(n)
	return time.Since(begin)
}

// failed finds out what has become of a worker that cannot be talked to, or must not any more.
func (x *exchange) failed(err error) error {
	if errors.Is(err, errNonsense) {
		x.w.kill(Nonsense)
		return fmt.Errorf("%w: %w", ErrCrashed, err)
	}
	select {
	case <-x.w.dead: // it closes its descriptors before it can be waited for
	case <-time.After(time.Second): // it lives, and does not want to talk
		x.w.kill(Nonsense)
		<-x.w.dead
	}
	select {
	case <-x.pool.stop:
		return ErrClosed
	default:
	}
	return fmt.Errorf("%w: %s", ErrCrashed, x.w.end.Reason)
}
