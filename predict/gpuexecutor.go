package predict

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/torchlit/torchlit/torch/engine"
)

// gpuExecutor runs batches on a GPU, or where it fell back to. It implements executor
// and stager.
type gpuExecutor struct {
	network *gpuNetwork

	lane   gpuLane // nil on the CPU
	gpu    *gpu
	unsent error // why images could not be sent

	cpu     *engine.Engine // nil on a GPU
	staging []byte         // of the CPU
	tried   time.Time      // when a GPU was last asked for, on the CPU
	coming  chan newLane   // nil while none is asked
}

type newLane struct {
	lane gpuLane // nil: there is none
	gpu  *gpu
}

func (e *gpuExecutor) name() string {
	if e.lane == nil {
		return "cpu"
	}
	return placement{gpus: []int{e.gpu.number}}.String()
}

// Staging implements stager. After a Finish it may be other memory.
func (e *gpuExecutor) Staging() []byte {
	if e.lane != nil {
		return e.lane.Staging()
	}
	return e.staging
}

// Send implements stager. That the device failed is for Finish to mend.
func (e *gpuExecutor) Send(from, n int) error {
	if e.lane == nil || e.unsent != nil {
		return nil
	}
	err := e.lane.Send(from, n)
	if deviceFailed(err) {
		e.unsent = err
		return nil
	}
	return err
}

// Finish implements stager.
func (e *gpuExecutor) Finish(n int, logits bool, answers []float32) error {
	return e.finish(n, logits, answers,
		func() error { return e.lane.Finish(n, logits, answers) },
		func() error { return e.cpu.Run(e.staging[:n*e.network.config.imageBytes], n, answers) })
}

// RunPlanes implements executor.
func (e *gpuExecutor) RunPlanes(planes []float32, n int, logits []float32) error {
	return e.finish(0, true, logits,
		func() error { return e.lane.FinishPlanes(planes, n, true, logits) },
		func() error { return e.cpu.RunPlanes(planes, n, logits) })
}

// Run implements executor.
func (e *gpuExecutor) Run(images []byte, n int, logits []float32) error {
	staging := e.Staging()
	if len(images) > 0 && &images[0] != &staging[0] {
		copy(staging, images)
	}
	if err := e.Send(0, n); err != nil {
		return err
	}
	return e.Finish(n, true, logits)
}

// finish runs a batch, of which n images are staged, until a device has done it.
func (e *gpuExecutor) finish(n int, logits bool, answers []float32, onGPU, onCPU func() error) error {
	e.returnToGPU(n)
	for e.lane != nil {
		err := e.unsent
		if err == nil {
			err = onGPU()
		}
		if !deviceFailed(err) {
			return err
		}
		if err := e.replace(n, err); err != nil {
			return err
		}
	}
	if err := onCPU(); err != nil || logits {
		return err
	}
	for c := e.network.config; len(answers) > 0; answers = answers[c.classes:] {
		softmax(answers[:c.classes], c.temperature)
	}
	return nil
}

// replace finds another device for the first n staged images and those to come.
func (e *gpuExecutor) replace(n int, why error) error {
	net := e.network
	net.recovering.Add(1)
	defer net.recovering.Add(-1)
	from := e.name()
	images := slices.Clone(e.Staging()[:n*net.config.imageBytes])
	e.lane.Close()
	net.leave(e.gpu, why)
	e.lane, e.gpu, e.unsent = nil, nil, nil

	lane, gpu, err := net.lane(why)
	if err == nil {
		e.lane, e.gpu = lane, gpu
	} else if err := e.takeCPU(); err != nil {
		return fmt.Errorf("cannot fall back to the CPU: %w, after %w", err, why)
	}
	copy(e.Staging(), images)
	net.report(Fallback{From: from, To: e.name(), Err: why})
	if n == 0 {
		return nil
	}
	return e.Send(0, n)
}

func (e *gpuExecutor) takeCPU() (err error) {
	if e.cpu, err = e.network.shareCPU(); err != nil {
		return err
	}
	e.staging = make([]byte, e.network.config.maxBatch*e.network.config.imageBytes)
	e.tried = time.Now()
	e.network.onCPU.Add(1)
	return nil
}

// returnToGPU asks for a lane once it is time to, in the background, as its graphs take
// seconds; and when one has come takes it, and the n staged images along.
func (e *gpuExecutor) returnToGPU(n int) {
	net := e.network
	if e.lane != nil {
		return
	}
	if e.coming == nil {
		if time.Since(e.tried) >= net.retry {
			e.tried = time.Now()
			e.coming = make(chan newLane, 1)
			go func(coming chan<- newLane) {
				lane, gpu, err := net.lane(nil)
				if err != nil {
					lane, gpu = nil, nil
				}
				coming <- newLane{lane, gpu}
			}(e.coming)
		}
		return
	}
	select {
	case came := <-e.coming:
		e.coming = nil
		if came.lane == nil {
			return
		}
		e.lane, e.gpu = came.lane, came.gpu
		copy(e.lane.Staging(), e.staging[:n*net.config.imageBytes])
		e.closeCPU()
		net.report(Fallback{From: "cpu", To: e.name()})
		if n > 0 {
			if err := e.Send(0, n); err != nil {
				e.unsent = errors.Join(engine.ErrDeviceLost, err)
			}
		}
	default:
	}
}

func (e *gpuExecutor) closeCPU() {
	e.cpu.Close()
	e.cpu, e.staging = nil, nil
	e.network.onCPU.Add(-1)
}

// Close implements executor.
func (e *gpuExecutor) Close() {
	if e.coming != nil {
		if came := <-e.coming; came.lane != nil {
			came.lane.Close()
			e.network.leave(came.gpu, nil)
		}
		e.coming = nil
	}
	if e.cpu != nil {
		e.closeCPU()
	}
	if e.lane != nil {
		e.lane.Close()
		e.network.leave(e.gpu, nil)
		e.lane = nil
	}
}
