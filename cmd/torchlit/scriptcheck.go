package main

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"

	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/predict"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/jit"
	"github.com/torchlit/torchlit/torch/safetensors"
	"github.com/torchlit/torchlit/torch/weights"
)

// scriptImages is how many random images a TorchScript module and the engine answer.
const scriptImages = 8

// scriptTolerance is how far two logits may be apart, as a share of the largest one.
// The engine folds normalisations into convolutions and sums in another order, which
// costs the last bits of float32; weights that were rounded since cost more: half a
// unit in the last place of each, 2^-12 or 2^-9, which the layers of a network add up.
var scriptTolerance = map[safetensors.DType]float64{
	safetensors.F32: 1e-4, safetensors.F64: 1e-4, safetensors.F16: 5e-3, safetensors.BF16: 3e-2,
}

// checkTorchScript compares the logits of a TorchScript module with those of the
// engine for the model folder dir, on random images, in float32 on the CPU.
func checkTorchScript(out io.Writer, dir, script string) error {
	fail := func(err error) error { return fmt.Errorf("cannot check %q against %q: %w", dir, script, err) }
	runtime.LockOSThread() // a runner's thread is its own
	defer runtime.UnlockOSThread()
	model, err := predict.Open(dir, predict.Options{Device: "cpu", Precision: "fp32", MaxBatch: scriptImages})
	if err != nil {
		return err
	}
	defer model.Close()
	images := randomImages(scriptImages, model.ImageBytes())
	engine, err := engineLogits(model, images)
	if err != nil {
		return fail(err)
	}
	logits, err := scriptLogits(script, model, images)
	if err != nil {
		return fail(err)
	}
	tolerance, err := toleranceOf(model.Folder().Weights)
	if err != nil {
		return fail(err)
	}
	apart, same := compareLogits(engine, logits)
	if math.IsNaN(apart) || apart > tolerance {
		return fail(fmt.Errorf("logits differ by %.2g of the largest one, %.2g is allowed: it must be the same weights, take normalised images and return logits, not probabilities",
			apart, tolerance))
	}
	_, err = fmt.Fprintf(out, "%s: the same logits within %.2g of the largest one (%.2g is allowed) on %d random images, the same label on %d\n",
		filepath.Base(script), apart, tolerance, len(images), same)
	return err
}

// randomImages are the same each time. Noise has all frequencies, so it reaches every
// weight; each image has a brightness and a contrast of its own.
func randomImages(n, size int) [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	images := make([][]byte, n)
	for i := range images {
		images[i] = make([]byte, size)
		mean, spread := 255*rng.Float64(), 20+80*rng.Float64()
		for j := range images[i] {
			images[i][j] = byte(min(max(mean+spread*rng.NormFloat64(), 0), 255))
		}
	}
	return images
}

func engineLogits(model *predict.Model, images [][]byte) ([][]float32, error) {
	runner, err := model.NewRunner()
	if err != nil {
		return nil, err
	}
	defer runner.Close()
	out := make([][]float32, len(images))
	return out, runner.Logits(images, out)
}

func scriptLogits(script string, model *predict.Model, images [][]byte) (logits [][]float32, err error) {
	module, err := jit.Load(script, torch.NewDevice("cpu"))
	if err != nil {
		return nil, err
	}
	defer module.Close()
	module.Train(false)
	n := model.Network()
	plane := n.Height * n.Width
	normalised := make([]float32, 0, len(images)*3*plane)
	for _, image := range images {
		for c := range 3 {
			for i := range plane {
				normalised = append(normalised, (float32(image[3*i+c])/255-n.Mean[c])/n.Std[c])
			}
		}
	}
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		torch.NoGrad(func() {
			logits, err = callScript(module, torch.FromSlice(normalised, int64(len(images)), 3, int64(n.Height), int64(n.Width)), model.Classes())
		})
	})
	return logits, err
}

func callScript(module *jit.Module, images torch.Tensor, classes int) ([][]float32, error) {
	answer, err := module.TryForward(images)
	if err != nil {
		return nil, err
	}
	if !answer.IsTensor() {
		return nil, fmt.Errorf("its forward returns %T; make one that returns the logits alone", answer.Value)
	}
	y := answer.ToTensor()
	n := images.Shape()[0]
	if shape := y.Shape(); len(shape) != 2 || shape[0] != n || shape[1] != int64(classes) {
		return nil, fmt.Errorf("its forward returns a tensor %v, want logits [%d, %d]", shape, n, classes)
	}
	values := torch.Slice[float32](torch.To(y, torch.NewDevice("cpu"), torch.Float))
	logits := make([][]float32, n)
	for i := range logits {
		logits[i] = values[i*classes : (i+1)*classes]
	}
	return logits, nil
}

// compareLogits returns the greatest distance as a share of the largest logit, NaN when
// there is one, and on how many images both give the same label.
func compareLogits(a, b [][]float32) (apart float64, same int) {
	largest := 0.0
	for i := range a {
		bestA, bestB := 0, 0
		for j := range a[i] {
			x, y := float64(a[i][j]), float64(b[i][j])
			apart, largest = max(apart, math.Abs(x-y)), max(largest, math.Abs(x), math.Abs(y))
			if a[i][j] > a[i][bestA] {
				bestA = j
			}
			if b[i][j] > b[i][bestB] {
				bestB = j
			}
		}
		if bestA == bestB {
			same++
		}
	}
	if apart == 0 {
		return 0, same
	}
	return apart / largest, same
}

// toleranceOf is that of the coarsest of the weights.
func toleranceOf(w modeldir.Weights) (float64, error) {
	file, err := weights.Open(w.Path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	tolerance := 0.0
	for _, name := range file.Names() {
		v, err := file.Tensor(name)
		if err != nil {
			return 0, err
		}
		tolerance = max(tolerance, scriptTolerance[v.DType])
	}
	return tolerance, nil
}
