package lrscheduler_test

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/lrscheduler"
)

// groups is an optimizer without parameters.
type groups struct {
	lrs      []float64
	momentum float64
}

func (g *groups) LRs() []float64               { return slices.Clone(g.lrs) }
func (g *groups) SetLRs(lrs []float64)         { g.lrs = lrs }
func (g *groups) SetMomentum(momentum float64) { g.momentum = momentum }

func twoGroups() *groups { return &groups{[]float64{0.1, 0.02}, 0.9} }

type curve struct {
	LRs     [][]float64 `json:"lrs"`
	Momenta []float64   `json:"momenta"`
}

type golden struct {
	Metrics []float64        `json:"metrics"`
	Curves  map[string]curve `json:"curves"`
}

// load reads the curves that PyTorch drew; see testdata/schedules.py.
func load(t *testing.T) golden {
	t.Helper()
	raw, err := os.ReadFile("testdata/schedules.json")
	require.NoError(t, err)
	var g golden
	require.NoError(t, json.Unmarshal(raw, &g))
	return g
}

// schedules has the settings of testdata/schedules.py.
func schedules(steps int) map[string]lrscheduler.Schedule {
	return map[string]lrscheduler.Schedule{
		"step":         lrscheduler.StepLR{StepSize: 7, Gamma: 0.3},
		"step default": lrscheduler.StepLR{StepSize: 20},
		"multistep":    lrscheduler.MultiStepLR{Milestones: []int{5, 20, 20, 41}, Gamma: 0.5},
		"exponential":  lrscheduler.ExponentialLR{Gamma: 0.93},
		"lambda":       lrscheduler.LambdaLR(func(step int) float64 { return 1 / float64(1+step) }),
		"linear":       lrscheduler.LinearLR{StartFactor: 0.1, EndFactor: 1, TotalIters: 8},
		"linear down":  lrscheduler.LinearLR{StartFactor: 1, TotalIters: 50},
		"constant":     lrscheduler.ConstantLR{Factor: 0.25, TotalIters: 9},
		"cosine":       lrscheduler.CosineAnnealingLR{TMax: 25, EtaMin: 0.001},
		"restarts":     lrscheduler.CosineAnnealingWarmRestarts{T0: 7, TMult: 2, EtaMin: 0.001},
		"restarts even": lrscheduler.CosineAnnealingWarmRestarts{
			T0: 9,
		},
		"one cycle": lrscheduler.OneCycleLR{TotalSteps: steps, MaxLR: 0.5},
		"one cycle linear": lrscheduler.OneCycleLR{
			TotalSteps: steps, PctStart: 0.2, Linear: true, DivFactor: 10, FinalDivFactor: 100,
			BaseMomentum: 0.8, MaxMomentum: 0.9,
		},
		"one cycle three phases": lrscheduler.OneCycleLR{TotalSteps: steps, MaxLR: 0.5, PctStart: 0.4, ThreePhase: true},
		"one cycle one step up": lrscheduler.OneCycleLR{
			TotalSteps: steps, MaxLR: 0.5, PctStart: 1/float64(steps) + 1e-9, KeepMomentum: true,
		},
		"sequential": lrscheduler.SequentialLR{
			Schedules: []lrscheduler.Schedule{
				lrscheduler.LinearLR{StartFactor: 0.01, EndFactor: 1, TotalIters: 6},
				lrscheduler.CosineAnnealingLR{TMax: 30},
				lrscheduler.ExponentialLR{Gamma: 0.9},
			},
			Milestones: []int{6, 36},
		},
	}
}

// Both compute in float64. PyTorch draws several of the curves from the step
// before, so its rounding adds up over the steps: hence not to the last bit.
const tolerance = 1e-12

func near(t *testing.T, want, got float64, name string, step int) {
	t.Helper()
	if d := want - got; d > tolerance || d < -tolerance {
		t.Errorf("%s, step %d: got %v, PyTorch has %v", name, step, got, want)
	}
}

func TestCurvesArePyTorchs(t *testing.T) {
	curves := load(t).Curves
	for name, schedule := range schedules(60) {
		want := curves[name]
		require.Len(t, want.LRs, 60, name)
		opt := twoGroups()
		s, err := lrscheduler.New(opt, schedule)
		require.NoError(t, err, name)
		for step := range want.LRs {
			for g := range opt.lrs {
				near(t, want.LRs[step][g], opt.lrs[g], name, step)
			}
			near(t, want.Momenta[step], opt.momentum, name+" (momentum)", step)
			s.Step()
		}
	}
}

func TestPlateausArePyTorchs(t *testing.T) {
	g := load(t)
	f := func(name string, options lrscheduler.PlateauOptions) {
		t.Helper()
		opt := twoGroups()
		s, err := lrscheduler.NewReduceLROnPlateau(opt, options)
		require.NoError(t, err)
		want := g.Curves[name].LRs
		for step := range want {
			before := slices.Clone(opt.lrs)
			for i := range before {
				near(t, want[step][i], before[i], name, step)
			}
			reduced := s.Step(g.Metrics[step])
			assert.Equal(t, !slices.Equal(before, opt.lrs), reduced, "%s, step %d", name, step)
			s = reborn(t, opt, options, s) // goes on from its state at every step
		}
	}
	f("plateau", lrscheduler.PlateauOptions{Patience: 2, Threshold: 1e-4, Cooldown: 3})
	f("plateau absolute", lrscheduler.PlateauOptions{Factor: 0.5, Patience: 1, Threshold: 0.01, AbsoluteThreshold: true, MinLR: 0.003})
	f("plateau max", lrscheduler.PlateauOptions{Max: true, Factor: 0.5, Patience: 3, Eps: 1e-3})
}

// reborn saves the scheduler as JSON and makes another from it.
func reborn(t *testing.T, opt *groups, options lrscheduler.PlateauOptions, old *lrscheduler.ReduceLROnPlateau) *lrscheduler.ReduceLROnPlateau {
	t.Helper()
	saved, err := json.Marshal(old.State())
	require.NoError(t, err)
	var state lrscheduler.PlateauState
	require.NoError(t, json.Unmarshal(saved, &state))
	s, err := lrscheduler.NewReduceLROnPlateau(opt, options)
	require.NoError(t, err)
	require.NoError(t, s.Restore(state))
	return s
}

// A run that is stopped and resumed has bit for bit the rates of one that is not,
// wherever it was stopped.
func TestResume(t *testing.T) {
	for name, schedule := range schedules(60) {
		opt := twoGroups()
		s, err := lrscheduler.New(opt, schedule)
		require.NoError(t, err)
		for range 17 {
			s.Step()
		}
		saved, err := json.Marshal(s.State())
		require.NoError(t, err)

		again := &groups{[]float64{1, 2}, 0}
		r, err := lrscheduler.New(again, schedule)
		require.NoError(t, err)
		var state lrscheduler.State
		require.NoError(t, json.Unmarshal(saved, &state))
		require.NoError(t, r.Restore(state))
		assert.Equal(t, opt.lrs, again.lrs, name)
		s.Step()
		r.Step()
		assert.Equal(t, opt.lrs, again.lrs, name)
		assert.Equal(t, s.LRs(), r.LRs(), name)
	}
}

func TestRestoreRefusesAnotherOptimizersState(t *testing.T) {
	s, err := lrscheduler.New(twoGroups(), lrscheduler.StepLR{StepSize: 1})
	require.NoError(t, err)
	assert.ErrorContains(t, s.Restore(lrscheduler.State{Step: 3, Base: []float64{1}}), "is of 1 parameter groups, the optimizer has 2")
	assert.ErrorContains(t, s.Restore(lrscheduler.State{Step: -1, Base: []float64{1, 2}}), "must not be negative")
	p, err := lrscheduler.NewReduceLROnPlateau(twoGroups(), lrscheduler.PlateauOptions{})
	require.NoError(t, err)
	assert.ErrorContains(t, p.Restore(lrscheduler.PlateauState{}), "is of 0 parameter groups, the optimizer has 2")
}

// PyTorch refuses to go on after the last step of the cycle; a loop that steps the
// scheduler after its last batch, too, is no mistake here.
func TestOneCycleStaysAtItsEnd(t *testing.T) {
	s := lrscheduler.OneCycleLR{TotalSteps: 10}
	assert.InDelta(t, 1.0/25/1e4, s.At(1, 9), 1e-15)
	assert.Equal(t, s.At(1, 9), s.At(1, 10))
	assert.Equal(t, s.At(1, 9), s.At(1, 1000))
	assert.Equal(t, 1.0/25/1e4, lrscheduler.OneCycleLR{TotalSteps: 1}.At(1, 0))
}

func TestSettingsOutOfRange(t *testing.T) {
	f := func(schedule lrscheduler.Schedule, want string) {
		t.Helper()
		_, err := lrscheduler.New(twoGroups(), schedule)
		assert.ErrorContains(t, err, "cannot schedule the learning rate: "+want)
	}
	f(nil, "the schedule is nil")
	f(lrscheduler.StepLR{}, "StepLR.StepSize is 0; it must be above 0")
	f(lrscheduler.MultiStepLR{Milestones: []int{3, 1}}, "MultiStepLR.Milestones is [3 1]")
	f(lrscheduler.ExponentialLR{}, "ExponentialLR.Gamma is 0")
	f(lrscheduler.LinearLR{TotalIters: 3}, "LinearLR.StartFactor is 0")
	f(lrscheduler.LinearLR{StartFactor: 1}, "LinearLR.TotalIters is 0")
	f(lrscheduler.ConstantLR{Factor: 2}, "ConstantLR.Factor is 2")
	f(lrscheduler.CosineAnnealingLR{}, "CosineAnnealingLR.TMax is 0")
	f(lrscheduler.CosineAnnealingWarmRestarts{}, "CosineAnnealingWarmRestarts.T0 is 0")
	f(lrscheduler.OneCycleLR{}, "OneCycleLR.TotalSteps is 0")
	f(lrscheduler.OneCycleLR{TotalSteps: 1, PctStart: 0.6, ThreePhase: true}, "OneCycleLR.PctStart is 0.6")
	f(lrscheduler.SequentialLR{}, "SequentialLR.Schedules is []")
	inner := []lrscheduler.Schedule{lrscheduler.StepLR{StepSize: 1}, lrscheduler.StepLR{}}
	f(lrscheduler.SequentialLR{Schedules: inner}, "SequentialLR.Milestones is []")
	f(lrscheduler.SequentialLR{Schedules: inner, Milestones: []int{0}}, "SequentialLR.Milestones is [0]")
	f(lrscheduler.SequentialLR{Schedules: inner, Milestones: []int{4}}, "StepLR.StepSize is 0")

	_, err := lrscheduler.NewReduceLROnPlateau(twoGroups(), lrscheduler.PlateauOptions{Factor: 1})
	assert.ErrorContains(t, err, "ReduceLROnPlateau.Factor is 1")
}
