package predict

import (
	"time"

	"github.com/torchlit/torchlit/torch/engine"
)

// executor runs batches for one goroutine: the native engine, or a TorchScript
// module. images are n·height·width·3 bytes, planes n·3·height·width floats that
// are normalised already, logits n·classes.
type executor interface {
	Run(images []byte, n int, logits []float32) error
	RunPlanes(planes []float32, n int, logits []float32) error
	Close()
}

// stager is an executor that has memory of its own for the images of a batch, which the
// caller fills and sends piece by piece. Send(from, n) may be called several times, for
// images that follow each other; then Finish classifies the first n. Its answers are
// probabilities, or logits.
type stager interface {
	Staging() []byte
	Send(from, n int) error
	Finish(n int, logits bool, answers []float32) error
}

// network is what the executors of a model have in common. Close frees it when the
// last of them is closed, too.
type network interface {
	share() (executor, error)
	warming() warming
	Close()
}

// warming is how its runners warm up.
type warming struct {
	untimed int           // runs of a size before its time means something
	budget  time.Duration // when larger sizes are left out; their cost is then taken in proportion
}

// fused is a network that the native engine runs.
type fused struct{ *engine.Engine }

func (f fused) share() (executor, error) { return f.Share() }

// warming: in the first run of a size oneDNN generates code, weights are packed and
// memory is touched. A server should be ready within a second; where that is not enough
// for large sizes, their first batch takes some tens of milliseconds more.
func (fused) warming() warming { return warming{1, 150 * time.Millisecond} }
