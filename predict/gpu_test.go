package predict

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/engine"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// fakeGPU computes on the CPU what a GPU would, and fails when it is told to.
type fakeGPU struct {
	engine *engine.Engine
	max    int

	mu     sync.Mutex
	fails  error // of every run and lane
	lanes  int   // alive
	closed bool
}

func (g *fakeGPU) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fails = err
}

func (g *fakeGPU) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fails
}

func (g *fakeGPU) newLane() (gpuLane, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		panic("a lane of a closed GPU")
	}
	if g.fails != nil {
		return nil, g.fails
	}
	g.lanes++
	return &fakeLane{gpu: g, memory: make([]byte, g.max*32*32*3)}, nil
}

func (g *fakeGPU) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

// fakeLane sees only what was sent, as a GPU does.
type fakeLane struct {
	gpu          *fakeGPU
	memory, sent []byte
}

func (l *fakeLane) Staging() []byte { return l.memory }

func (l *fakeLane) Send(from, n int) error {
	if err := l.gpu.failure(); err != nil {
		return err
	}
	l.sent = append(l.sent[:from*32*32*3], l.memory[from*32*32*3:(from+n)*32*32*3]...)
	return nil
}

func (l *fakeLane) Finish(n int, logits bool, answers []float32) error {
	if err := l.gpu.failure(); err != nil {
		return err
	}
	if err := l.gpu.engine.Run(l.sent, n, answers); err != nil {
		return err
	}
	return l.finish(n, logits, answers)
}

func (l *fakeLane) FinishPlanes(planes []float32, n int, logits bool, answers []float32) error {
	if err := l.gpu.failure(); err != nil {
		return err
	}
	if err := l.gpu.engine.RunPlanes(planes, n, answers); err != nil {
		return err
	}
	return l.finish(n, logits, answers)
}

func (l *fakeLane) finish(n int, logits bool, answers []float32) error {
	for i := range n {
		if c := len(answers) / n; !logits {
			softmax(answers[i*c:(i+1)*c], 1)
		}
	}
	return nil
}

func (l *fakeLane) Close() {
	clear(l.memory) // as good as unmapped
	l.gpu.mu.Lock()
	defer l.gpu.mu.Unlock()
	l.gpu.lanes--
}

// fakeModel is a model on fake GPUs, beside one on the CPU.
type fakeModel struct {
	*Model
	gpus []*fakeGPU
	want *Runner

	mu        sync.Mutex
	fallbacks []string
	during    []bool // whether the model was recovering when each was told
}

func openFakeGPUs(t *testing.T, count int, retry time.Duration) *fakeModel {
	t.Helper()
	torchtest.Need(t)
	network := mustNetwork(t, "resnet18", resnet.CIFARStem, 32, 10)
	m := &fakeModel{want: mustRunner(t, mustModel(t, network, Options{MaxBatch: 4, Threads: 1, Precision: FP32}))}
	openCPU := func() (*engine.Engine, error) { return network.open(FP32, Options{}) }
	var numbers []int
	for i := range count {
		e, err := openCPU()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		m.gpus = append(m.gpus, &fakeGPU{engine: e, max: 4})
		numbers = append(numbers, i)
	}
	net, err := newGPUNetwork(&gpuNetwork{
		open:    func(gpu int) (gpuEngine, error) { return m.gpus[gpu], m.gpus[gpu].failure() },
		openCPU: openCPU, retry: retry,
		report: func(f Fallback) {
			_, recovering := m.Health()
			m.mu.Lock()
			defer m.mu.Unlock()
			m.fallbacks = append(m.fallbacks, f.From+" to "+f.To)
			m.during = append(m.during, recovering)
		},
		config: gpuConfig{maxBatch: 4, imageBytes: 32 * 32 * 3, classes: 10, temperature: 1},
	}, numbers)
	if err != nil {
		t.Fatal(err)
	}
	network.Temperature = 1
	m.Model = &Model{network: network, classes: 10, shared: net, gpus: net,
		options: Options{Device: placement{gpus: numbers}.String(), MaxBatch: 4, Threads: 1, Runners: 2}}
	t.Cleanup(m.Close)
	return m
}

// mustAnswer runs bytes, and bytes with floats among them, as probabilities and as logits.
func (m *fakeModel) mustAnswer(t *testing.T, r *Runner) {
	t.Helper()
	in := images(m.want, 4)
	f := func(in [][]byte) {
		t.Helper()
		want, got := make([][]float32, len(in)), make([][]float32, len(in))
		if err := errors.Join(m.want.Run(in, want), r.Run(in, got)); err != nil {
			t.Fatal(err)
		}
		mustBeNear(t, got, want, 1e-5)
		mustBeNear(t, mustLogits(t, r, in), mustLogits(t, m.want, in), 1e-4)
	}
	f(in)
	f(in[1:3])
	floats := make([]byte, 4*len(in[0]))
	f([][]byte{in[0], floats, in[2]})
}

func (m *fakeModel) mustHave(t *testing.T, device string, fallbacks ...string) {
	t.Helper()
	if got, recovering := m.Health(); got != device || recovering {
		t.Errorf("the model is on %s (recovering: %v); want %s", got, recovering, device)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if got, want := strings.Join(m.fallbacks, ", "), strings.Join(fallbacks, ", "); got != want {
		t.Errorf("told of %q; want %q", got, want)
	}
}

func lost(text string) error { return fmt.Errorf("%w: %s", engine.ErrDeviceLost, text) }

func TestGPUAnswers(t *testing.T) {
	m := openFakeGPUs(t, 2, time.Hour)
	first, second := mustRunner(t, m.Model), mustRunner(t, m.Model)
	m.mustAnswer(t, first)
	m.mustAnswer(t, second)
	m.mustHave(t, "cuda:0,1")
	if m.gpus[0].lanes != 1 || m.gpus[1].lanes != 1 {
		t.Errorf("%d and %d lanes; want one each", m.gpus[0].lanes, m.gpus[1].lanes)
	}
}

// TestGPULost: the batch that meets the failure is answered, by another GPU and, when
// that fails too, by the CPU. Neither is asked again.
func TestGPULost(t *testing.T) {
	m := openFakeGPUs(t, 2, time.Nanosecond)
	r := mustRunner(t, m.Model)
	m.mustAnswer(t, r)
	m.gpus[0].fail(lost("an illegal memory access was encountered"))
	m.mustAnswer(t, r)
	m.mustHave(t, "cuda:1", "cuda:0 to cuda:1")
	m.gpus[1].fail(lost("uncorrectable ECC error"))
	m.mustAnswer(t, r)
	m.mustHave(t, "cpu", "cuda:0 to cuda:1", "cuda:1 to cpu")
	for i, g := range m.gpus {
		g.fail(nil)
		if !g.closed || g.lanes != 0 {
			t.Errorf("GPU %d: closed %v, %d lanes; want it closed, without lanes", i, g.closed, g.lanes)
		}
	}
	m.mustAnswer(t, r)
	m.mustHave(t, "cpu", "cuda:0 to cuda:1", "cuda:1 to cpu")
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, recovering := range m.during {
		if !recovering {
			t.Errorf("the model was ready during fallback %d", i)
		}
	}
}

// TestGPUMemory: a GPU without memory is used again when it has some.
func TestGPUMemory(t *testing.T) {
	m := openFakeGPUs(t, 1, time.Millisecond)
	r := mustRunner(t, m.Model)
	m.gpus[0].fail(fmt.Errorf("%w: tried to allocate 2 GiB", engine.ErrDeviceMemory))
	m.mustAnswer(t, r)
	m.mustHave(t, "cpu", "cuda:0 to cpu")
	m.gpus[0].fail(nil)
	for begin := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		m.mustAnswer(t, r)
		if device, _ := m.Health(); device == "cuda:0" {
			break
		}
		if time.Since(begin) > 20*time.Second {
			t.Fatal("the GPU was never used again")
		}
	}
	m.mustAnswer(t, r)
	m.mustHave(t, "cuda:0", "cuda:0 to cpu", "cpu to cuda:0")
	r.Close()
	if m.gpus[0].lanes != 0 {
		t.Errorf("%d lanes are left", m.gpus[0].lanes)
	}
}

// TestGPUMemoryAtStart: runners for which a GPU has no room are made on the CPU.
func TestGPUMemoryAtStart(t *testing.T) {
	m := openFakeGPUs(t, 1, time.Hour)
	first := mustRunner(t, m.Model)
	m.gpus[0].fail(engine.ErrDeviceMemory)
	second := mustRunner(t, m.Model)
	m.gpus[0].fail(nil)
	m.mustAnswer(t, first)
	m.mustAnswer(t, second)
	m.mustHave(t, "cuda:0+cpu", "cuda to cpu")
}

// TestGPUOtherErrors are the caller's affair: nobody falls back for them.
func TestGPUOtherErrors(t *testing.T) {
	m := openFakeGPUs(t, 1, time.Hour)
	r := mustRunner(t, m.Model)
	m.gpus[0].fail(errors.New("a shape that does not fit"))
	if err := r.Run(images(m.want, 1), make([][]float32, 1)); err == nil {
		t.Error("got no error")
	}
	m.gpus[0].fail(nil)
	m.mustAnswer(t, r)
	m.mustHave(t, "cuda:0")
}

// TestGPUClosedModel: runners outlive the model, and fall back without it.
func TestGPUClosedModel(t *testing.T) {
	m := openFakeGPUs(t, 1, time.Hour)
	r := mustRunner(t, m.Model)
	m.Close()
	m.gpus[0].fail(lost("gone"))
	m.mustAnswer(t, r)
}

func TestPlace(t *testing.T) {
	torchtest.Need(t)
	for _, name := range []string{"gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:999", "cuda:0,0", "cpu:0", "cuda0"} {
		if where, err := place(name); err == nil {
			t.Errorf("%q: got %v; want an error", name, where)
		}
	}
	for _, name := range []string{"", "cpu"} {
		if where, err := place(name); err != nil || where.String() != "cpu" {
			t.Errorf("%q: got %v, %v; want cpu", name, where, err)
		}
	}
	if where, err := place("auto"); err != nil || (where.String() == "cpu") != (where.why != "") {
		t.Errorf("auto: got %+v, %v; want GPUs, or the CPU with a reason", where, err)
	}
	if torch.IsCUDAAvailable() {
		return
	}
	if _, err := place("cuda"); err == nil || !strings.Contains(err.Error(), `cannot run on device "cuda": `) {
		t.Errorf("cuda: got %v; want an error that says why not", err)
	}
}

func TestChooseGPUPrecision(t *testing.T) {
	f := func(asked string, drifts map[string]float64, want string) {
		t.Helper()
		got, why, err := chooseGPUPrecision(asked, func(p string) (float64, error) { return drifts[p], nil })
		if want == "" {
			if err == nil {
				t.Errorf("%s: got %s; want an error", asked, got)
			}
			return
		}
		if err != nil || got != want || why == "" {
			t.Errorf("%s: got %q (%s), %v; want %s", asked, got, why, err, want)
		}
	}
	overflow := map[string]float64{FP16: math.Inf(1), BF16: 0.01}
	f("auto", map[string]float64{FP16: 0.001}, FP16)
	f("auto", overflow, BF16)
	f("auto", map[string]float64{FP16: 0.5, BF16: 0.5}, FP32)
	f("auto", map[string]float64{FP16: 0.5, BF16: 0.5, FP32: 0.5}, "")
	f(BF16, map[string]float64{BF16: 0.5}, BF16)
	f(FP16, overflow, "")
	f(Int8, nil, "")
	f("fp8", nil, "")
}

// TestDrift: what the CPU computes twice is the same, and a GPU that answers NaN is
// infinitely far away.
func TestDrift(t *testing.T) {
	torchtest.Need(t)
	network := mustNetwork(t, "resnet18", resnet.CIFARStem, 32, 10)
	network.Temperature = 1
	openCPU := func() (*engine.Engine, error) { return network.open(FP32, Options{}) }
	e, err := openCPU()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	f := func(g gpuEngine, want func(float64) bool) {
		t.Helper()
		d, err := network.drift(openCPU, func() (gpuEngine, error) { return g, nil })
		if err != nil || !want(d) {
			t.Errorf("got %v, %v", d, err)
		}
	}
	f(&fakeGPU{engine: e, max: checkImages}, func(d float64) bool { return d < 1e-6 })
	f(notANumber{&fakeGPU{engine: e, max: checkImages}}, func(d float64) bool { return math.IsInf(d, 1) })
}

type notANumber struct{ *fakeGPU }

func (g notANumber) newLane() (gpuLane, error) {
	l, err := g.fakeGPU.newLane()
	return notANumberLane{l}, err
}

type notANumberLane struct{ gpuLane }

func (notANumberLane) Finish(_ int, _ bool, answers []float32) error {
	answers[3] = float32(math.NaN())
	return nil
}
