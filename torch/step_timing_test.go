//go:build interop

package torch_test

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/models"
)

// BenchmarkStepAgainstPython runs the same training step here and in Python's PyTorch,
// in turns, and reports how long ours takes as a ratio of Python's: below 1 is faster.
func BenchmarkStepAgainstPython(b *testing.B) {
	torchtest.Need(b)
	python := startPeer(b, exec.Command(interop.Python(b, "torch"), "testdata/step.py"))
	mlp := models.MLP()
	defer nn.Close(mlp)
	resnet18 := models.Resnet18()
	defer nn.Close(resnet18)
	f := func(name string, steps int, module trainable, image ...int64) {
		b.Run(name, func(b *testing.B) {
			step, end := trainer(module, image)
			defer end()
			seconds := func() float64 {
				start := time.Now()
				for range steps {
					step()
				}
				return time.Since(start).Seconds()
			}
			seconds()
			python(fmt.Sprint(name, " ", steps))
			var ours, theirs, ratio []float64
			for b.Loop() {
				for range 11 {
					us, them := seconds(), python(fmt.Sprint(name, " ", steps))
					ours, theirs, ratio = append(ours, us), append(theirs, them), append(ratio, us/them)
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(1e3*median(ours)/float64(steps), "go-ms/step")
			b.ReportMetric(1e3*median(theirs)/float64(steps), "python-ms/step")
			b.ReportMetric(median(ratio), "ratio")
		})
	}
	f("mlp", 200, mlp, 64, 1, 28, 28)
	f("resnet18", 1, resnet18, 16, 3, 224, 224)
}

type trainable interface {
	Forward(torch.Tensor) torch.Tensor
	Parameters() []torch.Tensor
}

// trainer returns a step of SGD on one random batch, as testdata/step.py takes it.
func trainer(net trainable, shape []int64) (step, end func()) {
	opt := torch.SGD(0.01, 0.9, 0, 0, false)
	opt.AddParameters(net.Parameters())
	x := torch.RandN(shape, false)
	y := torch.FromSlice(make([]int64, shape[0]), shape[0])
	step = func() {
		torch.Scope(func(keep) {
			opt.ZeroGrad()
			torch.CrossEntropyLoss(net.Forward(x), y, torch.Tensor{}, torch.ReduceMean, -100, 0).Backward()
			opt.Step()
		})
	}
	return step, func() { opt.Close(); x.Close(); y.Close() }
}
