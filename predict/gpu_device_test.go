package predict

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/engine"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// These tests need a GPU; scripts/gpu-check runs them on a machine that has one, and sets
// TORCHLIT_REQUIRE_GPU so that none is skipped there.

func needGPU(t *testing.T) {
	t.Helper()
	torchtest.Need(t)
	where, err := place("cuda")
	if err == nil && len(where.gpus) > 0 {
		return
	}
	if os.Getenv("TORCHLIT_REQUIRE_GPU") != "" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// TestGPULogits compares networks of all kinds with PyTorch's own answers.
func TestGPULogits(t *testing.T) {
	needGPU(t)
	for _, g := range goldens(t) {
		n := mustNetwork(t, g.Architecture, g.Stem, g.Size, int64(len(g.Logits[0])))
		r := mustRunner(t, mustModel(t, n, Options{Device: "cuda:0", Precision: FP32, MaxBatch: 2, Threads: 2}))
		got := mustLogits(t, r, images(r, len(g.Logits)))
		for i, want := range g.Logits {
			if d := noise(got[i], want); !(d <= 1e-2) {
				t.Errorf("%s%s, %d px, image %d: %v of noise", g.Architecture, g.Stem, g.Size, i, d)
			}
		}
	}
}

// TestGPUServes: with auto the model is on all GPUs, in a precision that it has compared.
func TestGPUServes(t *testing.T) {
	needGPU(t)
	n := mustNetwork(t, "resnet18", resnet.CIFARStem, 32, 10)
	m := mustModel(t, n, Options{Device: "auto", MaxBatch: 16})
	precision, why := m.Precision()
	t.Logf("%s: %s", precision, why)
	if device, _ := m.Health(); !strings.HasPrefix(device, "cuda:0") {
		t.Errorf("before it has a runner the model is on %s; want all GPUs", device)
	}
	r, cpu := mustRunner(t, m), mustRunner(t, mustModel(t, n, Options{MaxBatch: 16, Precision: FP32}))
	if device, _ := m.Health(); device != "cuda:0" {
		t.Errorf("got %s; want cuda:0", device)
	}
	in := images(cpu, 13)
	got, want := make([][]float32, 13), make([][]float32, 13)
	if err := errors.Join(r.Run(in, got), cpu.Run(in, want)); err != nil {
		t.Fatal(err)
	}
	mustBeNear(t, got, want, 3*gpuDrift) // which is of other images
}

// TestGPUBreaks breaks the device for good, which only a process of its own survives:
// the batch is answered all the same, by the CPU.
func TestGPUBreaks(t *testing.T) {
	needGPU(t)
	const marker = "TORCHLIT_TEST_BREAK_GPU"
	if os.Getenv(marker) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestGPUBreaks$", "-test.v")
		cmd.Env = append(os.Environ(), marker+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
			t.Errorf("got %v:\n%s", err, out)
		}
		return
	}
	n := mustNetwork(t, "resnet18", resnet.CIFARStem, 32, 10)
	var told []Fallback
	m := mustModel(t, n, Options{Device: "cuda:0", MaxBatch: 4, OnFallback: func(f Fallback) { told = append(told, f) }})
	r, cpu := mustRunner(t, m), mustRunner(t, mustModel(t, n, Options{MaxBatch: 4, Precision: FP32}))
	breakDevice()
	in := images(cpu, 3)
	got, want := make([][]float32, 3), make([][]float32, 3)
	if err := errors.Join(r.Run(in, got), cpu.Run(in, want)); err != nil {
		t.Fatal(err)
	}
	mustBeNear(t, got, want, 1e-4)
	if device, recovering := m.Health(); device != "cpu" || recovering {
		t.Errorf("the model is on %s, recovering: %v; want it on the CPU", device, recovering)
	}
	if len(told) != 1 || !errors.Is(told[0].Err, engine.ErrDeviceLost) {
		t.Errorf("told of %v; want one fall-back, as the device is lost", told)
	}
}

// breakDevice reads beyond a tensor, which CUDA answers with an assertion that ends the
// use of the device.
func breakDevice() {
	defer func() { _ = recover() }()
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		device := torch.NewDevice("cuda:0")
		x := torch.To(torch.Ones([]int64{4}, false), device, torch.Float)
		index := torch.To(torch.FromSlice([]int64{1 << 20}, 1), device, torch.Long)
		torch.IndexSelect(x, 0, index)
		torch.Synchronize(device)
	})
}
