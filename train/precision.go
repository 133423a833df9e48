package train

import (
	"fmt"

	"github.com/torchlit/torchlit/dist"
	"github.com/torchlit/torchlit/torch"
)

// openDevice finds the device that t asks for and sets how many threads an operator on
// the CPU uses.
func openDevice(t *Trainer, env dist.Env) (torch.Device, error) {
	if err := torch.Available(); err != nil {
		return torch.Device{}, err
	}
	threads := t.Threads
	switch {
	case t.Deterministic:
		threads = 1 // so that sums have one order, whatever the machine
	case threads == 0:
		threads = env.Threads()
	}
	torch.SetNumThreads(int32(threads))
	torch.UseDeterministicAlgorithms(t.Deterministic)
	torch.SetCuDNNBenchmark(!t.Deterministic)
	torch.SetDetectAnomaly(t.DetectAnomaly)
	name := t.Device
	if name == "auto" || name == "" {
		name = "cpu"
		if torch.IsCUDAAvailable() {
			name = "cuda"
		}
	}
	device, err := torch.ParseDevice(name)
	if err != nil {
		return device, fmt.Errorf("cannot train with trainer.device=%q: %w", name, err)
	}
	if device, err = env.Device(device); err != nil {
		return device, fmt.Errorf("cannot train with trainer.device=%q: %w", name, err)
	}
	if _, err := torch.DeviceProperties(device); err != nil {
		return device, fmt.Errorf("cannot train with trainer.device=%q: %w; trainer.device=cpu works everywhere", name, err)
	}
	return device, nil
}

func (r *run) onCPU() bool { return r.device.String() == "cpu" }

// openPrecision makes the scaler that float16's small range wants.
func (r *run) openPrecision() {
	if r.cfg.Trainer.Precision == "16-mixed" {
		r.scaler = torch.NewGradScaler(torch.GradScalerOptions{})
	}
}

// autocast runs body in the run's precision.
func (r *run) autocast(body func()) {
	switch r.cfg.Trainer.Precision {
	case "bf16-mixed":
		torch.Autocast(r.device, torch.BFloat16, body)
	case "16-mixed":
		torch.Autocast(r.device, torch.Half, body)
	default:
		body()
	}
}
