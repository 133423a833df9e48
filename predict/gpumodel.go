package predict

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/torchlit/torchlit/torch/engine"
)

// FP16 is a precision of GPUs alone.
const FP16 = "fp16"

// gpuPrecisions are those that a GPU computes in. "auto" takes the first that keeps the
// answers.
var gpuPrecisions = []string{FP16, BF16, FP32}

const (
	// gpuTrials is how long cuDNN may try its algorithms for one GPU. The large batches
	// and the single image come first.
	gpuTrials = 20 * time.Second
	// gpuRetry is how long a GPU whose memory did not suffice is left alone.
	gpuRetry = 30 * time.Second
	// gpuDrift is how far a probability may be from that which the CPU computes in fp32,
	// for "auto" to take a precision. float16 ends at 65504: a network whose activations
	// are larger answers NaN, and no single figure of its folder tells.
	gpuDrift = 0.02
)

// openGPUs builds the network on the GPUs of a placement.
func (n *Network) openGPUs(o *Options, where placement) (net *gpuNetwork, why string, err error) {
	if o.Plain {
		return nil, "", errors.New("cannot run plain operators on a GPU: they are the CPU's yardstick")
	}
	checked, err := n.gpuProgram(false)
	if err != nil {
		return nil, "", err
	}
	o.Precision, why, err = chooseGPUPrecision(o.Precision, func(precision string) (float64, error) {
		return n.drift(checked.openCPU, func() (gpuEngine, error) {
			return checked.open(where.gpus[0], precision, checkImages, 0)
		})
	})
	if err != nil {
		return nil, "", err
	}
	program, err := n.gpuProgram(o.Embed)
	if err != nil {
		return nil, "", err
	}
	report := o.OnFallback
	if report == nil {
		report = func(Fallback) {}
	}
	net, err = newGPUNetwork(&gpuNetwork{
		open: func(gpu int) (gpuEngine, error) {
			return program.open(gpu, o.Precision, o.MaxBatch, gpuTrials)
		},
		openCPU: program.openCPU, report: report, retry: gpuRetry,
		config: gpuConfig{
			maxBatch: o.MaxBatch, imageBytes: n.Height * n.Width * 3, classes: int(n.Spec.NumClasses), temperature: n.Temperature,
		},
	}, where.gpus)
	return net, why, err
}

// gpuProgram is a network's program for a GPU, and for the CPU that stands in for it.
type gpuProgram struct {
	config      engine.Config
	steps       []engine.Step
	temperature float64
}

func (n *Network) gpuProgram(embed bool) (p gpuProgram, err error) {
	p.temperature = n.Temperature
	p.config, p.steps, err = n.program(embed)
	return p, err
}

func (p *gpuProgram) openCPU() (*engine.Engine, error) { return engine.Open(p.config, p.steps) }

func (p *gpuProgram) open(gpu int, precision string, batch int, trials time.Duration) (gpuEngine, error) {
	c, err := engine.OpenCUDA(p.config, engine.CUDAConfig{
		Device: gpu, Precision: gpuPrecision(precision), MaxBatch: batch, Temperature: p.temperature, Benchmark: trials,
	}, p.steps)
	return cudaEngine{c}, err
}

func gpuPrecision(name string) engine.Precision {
	if name == FP16 {
		return engine.FP16
	}
	return precisions[name]
}

// chooseGPUPrecision returns what asked stands for, and why. drift runs the network in a
// precision beside the CPU.
func chooseGPUPrecision(asked string, drift func(precision string) (float64, error)) (precision, why string, err error) {
	candidates := gpuPrecisions
	switch asked {
	case "", "auto":
	case FP32, BF16, FP16:
		candidates = []string{asked}
	default:
		return "", "", fmt.Errorf("cannot run in precision %q on a GPU: use --precision auto, fp16, bf16 or fp32", asked)
	}
	for _, precision := range candidates {
		d, err := drift(precision)
		if err != nil {
			return "", "", err
		}
		switch {
		case d <= gpuDrift:
			return precision, fmt.Sprintf("on %d images no probability is further than %.4f from the CPU's in fp32", checkImages, d), nil
		case len(candidates) == 1 && d <= 1:
			return precision, fmt.Sprintf("asked for, although on %d images a probability is %.4f from the CPU's in fp32", checkImages, d), nil
		}
	}
	return "", "", fmt.Errorf("cannot run in precision %q on this GPU: its answers are not those of the CPU; use --device cpu", asked)
}

const checkImages = 8

// drift is the largest difference between the probabilities of the GPU and those of the
// CPU in fp32, +Inf if any is NaN.
func (n *Network) drift(openCPU func() (*engine.Engine, error), openGPU func() (gpuEngine, error)) (float64, error) {
	classes := int(n.Spec.NumClasses)
	images := n.patterns(checkImages)
	want, got := make([]float32, checkImages*classes), make([]float32, checkImages*classes)
	cpu, err := openCPU()
	if err != nil {
		return 0, err
	}
	err = cpu.Run(images, checkImages, want)
	cpu.Close()
	if err != nil {
		return 0, err
	}
	for i := range checkImages {
		softmax(want[i*classes:(i+1)*classes], n.Temperature)
	}

	g, err := openGPU()
	if err != nil {
		return 0, err
	}
	defer g.Close()
	lane, err := g.newLane()
	if err != nil {
		return 0, err
	}
	defer lane.Close()
	copy(lane.Staging(), images)
	if err := lane.Send(0, checkImages); err != nil {
		return 0, err
	}
	if err := lane.Finish(checkImages, false, got); err != nil {
		return 0, err
	}
	most := 0.0
	for i := range want {
		d := math.Abs(float64(got[i]) - float64(want[i]))
		if math.IsNaN(d) {
			return math.Inf(1), nil
		}
		most = max(most, d)
	}
	return most, nil
}

// patterns are images of coloured squares, from single pixels to a good part of the
// image, that look like something to different depths of a network.
func (n *Network) patterns(count int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	images := make([]byte, 0, count*n.Height*n.Width*3)
	for i := range count {
		side := 1 << i
		across := n.Width/side + 1
		colours := make([][3]byte, across*(n.Height/side+1))
		for c := range colours {
			v := r.Uint32()
			colours[c] = [3]byte{byte(v), byte(v >> 8), byte(v >> 16)}
		}
		for y := range n.Height {
			for x := range n.Width {
				c := colours[y/side*across+x/side]
				images = append(images, c[:]...)
			}
		}
	}
	return images
}
