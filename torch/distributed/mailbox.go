package distributed

import (
	"runtime"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// Mailbox takes tensors that a backward pass wants added up over all ranks, while the
// pass holds its goroutine in C, and has a goroutine of its own that does it.
// torch/csrc/mailbox.h tells why it is done this way.
type Mailbox struct {
	box  libtorch.Mailbox
	done chan struct{}
}

// NewMailbox starts a mailbox for tensors of a device. reduce is called for one tensor
// after another, in the order in which they were posted, and adds it up in place over
// all ranks; its error reaches whoever waits for that tensor. On a CUDA device it does
// so on its thread's current stream, and returns without waiting for the device.
//
// reduce must run no operators of torch: with a single CPU, the pass that waits for
// the answer holds the only place for one.
func NewMailbox(device torch.Device, reduce func(torch.Tensor) error) (*Mailbox, error) {
	box, err := libtorch.NewMailbox()
	if err != nil {
		return nil, err
	}
	m := &Mailbox{box: box, done: make(chan struct{})}
	started := make(chan error, 1)
	go m.serve(device, reduce, started)
	if err := <-started; err != nil {
		<-m.done
		libtorch.FreeMailbox(box)
		return nil, err
	}
	return m, nil
}

func (m *Mailbox) serve(device torch.Device, reduce func(torch.Tensor) error, started chan<- error) {
	defer close(m.done)
	runtime.LockOSThread() // not unlocked: the thread, whose stream is changed, ends with the goroutine
	err := useOwnStream(device)
	started <- err
	if err != nil {
		return
	}
	for m.one(reduce) {
	}
}

// one handles the next letter; it returns false when there are no more.
func (m *Mailbox) one(reduce func(torch.Tensor) error) bool {
	var r libtorch.Result
	letter, err := libtorch.TakeLetter(m.box, &r)
	if err != nil {
		panic("BUG: cannot take a letter: " + err.Error())
	}
	if letter < 0 {
		return false
	}
	t := torch.Adopt(&r, 0)
	defer t.Close()
	why := ""
	if err := reduce(t); err != nil {
		why = err.Error()
	}
	if err := libtorch.AnswerLetter(m.box, letter, why); err != nil {
		// Its event could not be recorded: the device is broken.
		if err := libtorch.AnswerLetter(m.box, letter, err.Error()); err != nil {
			panic("BUG: cannot answer a letter: " + err.Error())
		}
	}
	return true
}

// useOwnStream gives the calling thread a stream of its own on a CUDA device, so that
// sums do not queue behind the backward pass.
func useOwnStream(device torch.Device) error {
	kind, index := torch.DeviceNumbers(device)
	if kind == 0 {
		return nil
	}
	s, err := libtorch.NewStream(kind, index)
	if err != nil {
		return err
	}
	_, err = libtorch.StreamMode(s)
	return err
}

// Close ends the goroutine. A pass that waits for a sum gets an error. Who wants a
// reduce that hangs to end, ends that first.
func (m *Mailbox) Close() {
	if m.box == nil {
		return
	}
	if err := libtorch.CloseMailbox(m.box); err != nil {
		panic("BUG: cannot close a mailbox: " + err.Error())
	}
	<-m.done
	if err := libtorch.FreeMailbox(m.box); err != nil {
		panic("BUG: cannot free a mailbox: " + err.Error())
	}
	m.box = nil
}
