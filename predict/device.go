package predict

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/torchlit/torchlit/internal/cpus"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/engine"
)

// placement is where a model's runners are.
type placement struct {
	gpus []int  // none: on the CPU
	why  string // it is on the CPU although a GPU would do
}

func (p placement) String() string {
	if len(p.gpus) == 0 {
		return "cpu"
	}
	numbers := make([]string, len(p.gpus))
	for i, g := range p.gpus {
		numbers[i] = strconv.Itoa(g)
	}
	return "cuda:" + strings.Join(numbers, ",")
}

// place reads the name of a device: "auto" (all GPUs, or the CPU where there is none),
// "cpu" or "", "cuda" (all GPUs), "cuda:1", "cuda:0,1". A GPU that was asked for and
// cannot be used is an error.
func place(name string) (placement, error) {
	switch kind, list, some := strings.Cut(name, ":"); {
	case name == "" || name == "cpu":
		return placement{}, nil
	case name == "auto":
		gpus, err := allGPUs()
		if err != nil {
			return placement{why: err.Error()}, nil
		}
		return placement{gpus: gpus}, nil
	case kind == "cuda":
		gpus, err := allGPUs()
		if err == nil && some {
			gpus, err = chooseGPUs(list, gpus)
		}
		if err != nil {
			return placement{}, fmt.Errorf("cannot run on device %q: %w", name, err)
		}
		return placement{gpus: gpus}, nil
	}
	return placement{}, fmt.Errorf("cannot run on device %q: use --device auto, cpu, cuda, cuda:N or cuda:N,M", name)
}

// place is where the options want the model. int8 is the CPU's: "auto" then means it.
func (o *Options) place() (placement, error) {
	if o.Device == "auto" && o.Precision == Int8 {
		return placement{why: "int8 runs on the CPU"}, nil
	}
	return place(o.Device)
}

// allGPUs lists the GPUs of this machine that the process may use.
func allGPUs() ([]int, error) {
	n := torch.CUDADeviceCount()
	if n == 0 {
		return nil, whyNoGPU()
	}
	if err := engine.LoadCUDA(); err != nil {
		return nil, err
	}
	gpus := make([]int, n)
	for i := range gpus {
		gpus[i] = i
	}
	return gpus, nil
}

// whyNoGPU is libtorch's own word on it.
func whyNoGPU() error {
	if _, err := torch.DeviceProperties(torch.NewDevice("cuda")); err != nil {
		refused := new(torch.Error)
		if errors.As(err, &refused) {
			return errors.New(strings.TrimSpace(refused.Text))
		}
		return err
	}
	return errors.New("there is no CUDA device")
}

func chooseGPUs(list string, all []int) ([]int, error) {
	var gpus []int
	for _, text := range strings.Split(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q is not a number of a device", text)
		}
		if !slices.Contains(all, n) {
			return nil, fmt.Errorf("there is no CUDA device %d; there are %d, counted from 0", n, len(all))
		}
		if slices.Contains(gpus, n) {
			return nil, fmt.Errorf("device %d is named twice", n)
		}
		gpus = append(gpus, n)
	}
	return gpus, nil
}

// Defaults of a GPU.
//
// A batch of 128 is where a large card's convolutions are near their best, and takes it
// some two milliseconds. Of three runners one computes, one's images cross the bus, and
// one gathers its next batch.
const (
	defaultGPUBatch = 128
	runnersPerGPU   = 3
)

// ensureGPUDefaults is ensureDefaults for a model on GPUs. Threads count once a runner
// falls back to the CPU.
func (o *Options) ensureGPUDefaults(gpus int) {
	if o.MaxBatch == 0 {
		o.MaxBatch = defaultGPUBatch
	}
	if o.Runners == 0 {
		o.Runners = runnersPerGPU * gpus
	}
	if o.Threads == 0 {
		o.Threads = max(1, cpus.Count()/o.Runners)
	}
}
