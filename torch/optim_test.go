package torch_test

import (
	"encoding/json"
	"math"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// optimGolden is what PyTorch computed; see testdata/optim.py.
type optimGolden struct {
	Shapes  [][]int64                `json:"shapes"`
	Initial [][]float32              `json:"initial"`
	Grads   [][][]float32            `json:"grads"` // step, parameter, element
	Cases   map[string][][][]float32 `json:"cases"`
	Clip    []struct {
		Max   float64     `json:"max"`
		Type  string      `json:"type"`
		Total float64     `json:"total"`
		Grads [][]float32 `json:"grads"`
	} `json:"clip"`
	ClipValue [][]float32 `json:"clip value"`
	Scaler    []struct {
		Scale  float64     `json:"scale"`
		Params [][]float32 `json:"params"`
	} `json:"scaler"`
}

func loadOptimGolden(t *testing.T) *optimGolden {
	t.Helper()
	raw, err := os.ReadFile("testdata/optim.json")
	require.NoError(t, err)
	g := new(optimGolden)
	require.NoError(t, json.Unmarshal(raw, g))
	return g
}

// parameters makes the parameters as they begin.
func (g *optimGolden) parameters() []torch.Tensor {
	var list []torch.Tensor
	for i, shape := range g.Shapes {
		p := torch.FromSlice(g.Initial[i], shape...)
		p.SetRequiresGrad(true)
		list = append(list, p)
	}
	return list
}

// backward gives the parameters the gradients of a step, but for those that skip
// names.
func (g *optimGolden) backward(params []torch.Tensor, step int, skip func(step, i int) bool) {
	for i, p := range params {
		if skip == nil || !skip(step, i) {
			giveGrad(p, torch.FromSlice(g.Grads[step][i], g.Shapes[i]...))
		}
	}
}

// giveGrad makes grad the gradient of p, which has none: that of the sum of p·grad.
func giveGrad(p, grad torch.Tensor) { torch.Sum(torch.Mul(p, grad)).Backward() }

// near compares with PyTorch's numbers. They come from PyTorch's plain formulas in
// float32, ours from fused kernels that round in another order and contract
// multiplications with additions: a last bit (6e-8 of the largest value met) here
// and there in each of ten steps. 1e-6 is the room that leaves, relative to values
// above 1.
func near(t *testing.T, want []float32, got torch.Tensor, format string, args ...any) {
	t.Helper()
	for i, x := range torch.Slice[float32](got) {
		w := float64(want[i])
		if d := math.Abs(w - float64(x)); !(d <= 1e-6*max(1, math.Abs(w))) {
			t.Errorf(format+": element %d is %v, PyTorch has %v", append(args, i, x, w)...)
			return
		}
	}
}

// optimCase has the settings of the case of that name in testdata/optim.py.
type optimCase struct {
	name   string
	make   func() torch.Optimizer
	biases func(*torch.ParameterGroup) // when they are a group of their own
	change func(torch.Optimizer)       // before step 5
	skip   func(step, i int) bool
}

func optimCases() []optimCase {
	sgd := func(momentum, dampening, decay float64, nesterov bool) func() torch.Optimizer {
		return func() torch.Optimizer { return torch.SGD(0.1, momentum, dampening, decay, nesterov) }
	}
	adam := func(decay float64) func() torch.Optimizer {
		return func() torch.Optimizer { return torch.Adam(0.05, 0.8, 0.99, decay) }
	}
	adamw := func() torch.Optimizer { return torch.AdamW(0.05, 0.8, 0.99, 0.1) }
	rmsprop := func(eps, decay, momentum float64, centered bool) func() torch.Optimizer {
		return func() torch.Optimizer { return torch.RMSProp(0.02, 0.9, eps, decay, momentum, centered) }
	}
	set := func(lr, decay, momentum float64) func(*torch.ParameterGroup) {
		return func(g *torch.ParameterGroup) { g.LR, g.WeightDecay, g.Momentum = lr, decay, momentum }
	}
	change := func(momentum float64) func(torch.Optimizer) {
		return func(o torch.Optimizer) { o.SetLR(0.01); o.SetMomentum(momentum) }
	}
	firstLayerLate := func(step, i int) bool { return i < 2 && step < 3 }
	return []optimCase{
		{name: "sgd", make: sgd(0, 0, 0, false)},
		{name: "sgd decay", make: sgd(0, 0, 0.1, false)},
		{name: "sgd momentum", make: sgd(0.9, 0, 0, false)},
		{name: "sgd nesterov", make: sgd(0.9, 0, 0.01, true)},
		{name: "sgd dampening", make: sgd(0.9, 0.5, 0.01, false)},
		{name: "sgd late", make: sgd(0.9, 0.5, 0, false), skip: firstLayerLate},
		{name: "sgd groups", make: sgd(0.9, 0, 0.1, false), biases: set(0.03, 0, 0.9)},
		{name: "sgd changed", make: sgd(0.9, 0, 0, false), change: change(0.5)},
		{name: "adam", make: adam(0)},
		{name: "adam decay", make: adam(0.1)},
		{name: "adam late", make: adam(0), skip: firstLayerLate},
		{name: "adam changed", make: adam(0), change: change(0.9)},
		{name: "adamw", make: adamw},
		{name: "adamw groups", make: adamw, biases: set(0.01, 0, 0.9)},
		{name: "rmsprop", make: rmsprop(1e-8, 0, 0, false)},
		{name: "rmsprop decay", make: rmsprop(1e-8, 0.1, 0.5, false)},
		{name: "rmsprop centered", make: rmsprop(1e-3, 0, 0, true)},
		{name: "rmsprop centered momentum", make: rmsprop(1e-3, 0, 0.9, true)},
		{name: "rmsprop groups", make: rmsprop(1e-8, 0.1, 0, false), biases: set(0.01, 0, 0.5)},
	}
}

// open makes the optimizer and gives it the parameters.
func (c *optimCase) open(params []torch.Tensor) torch.Optimizer {
	opt := c.make()
	if c.biases == nil {
		opt.AddParameters(params[:2])
		opt.AddParameters(params[2:])
		return opt
	}
	opt.AddParameters([]torch.Tensor{params[0], params[2]})
	c.biases(opt.AddParameterGroup([]torch.Tensor{params[1], params[3]}))
	return opt
}

// step takes a step in a scope of its own, as a training loop does.
func (c *optimCase) step(g *optimGolden, opt torch.Optimizer, params []torch.Tensor, step int) {
	torch.Scope(func(keep) {
		if step == 5 && c.change != nil {
			c.change(opt)
		}
		g.backward(params, step, c.skip)
		opt.Step()
		opt.ZeroGrad()
	})
}

func TestTenStepsArePyTorchs(t *testing.T) {
	g := loadOptimGolden(t)
	for _, c := range optimCases() {
		inScope(t, func() {
			require.Len(t, g.Cases[c.name], 10, c.name)
			params := g.parameters()
			opt := c.open(params)
			defer opt.Close()
			for step, want := range g.Cases[c.name] {
				c.step(g, opt, params, step)
				for i, p := range params {
					near(t, want[i], p, "%s, step %d, parameter %d", c.name, step, i)
				}
			}
		})
	}
}

// The fused operators take their tensors for plain arrays. Whatever lies behind a
// parameter, its numbers must be those of one that does lie there so.
func TestLayoutsDoNotMatter(t *testing.T) {
	transposed := func(data []float32) torch.Tensor {
		// [4, 3] whose memory is in the order of [3, 4].
		x := torch.FromSlice(data, 4, 3)
		return x.Transpose(0, 1).Contiguous(torch.ContiguousFormat).Transpose(0, 1)
	}
	gaps := func(data []float32) torch.Tensor {
		// Every other column of [4, 6]; the others are 100.
		x := torch.FromSlice(data, 4, 3, 1)
		wide := torch.Cat([]torch.Tensor{x, torch.Full([]int64{4, 3, 1}, 100, false)}, 2)
		return torch.Select(wide, 2, 0)
	}
	plain := func(data []float32) torch.Tensor { return torch.FromSlice(data, 4, 3) }
	g := loadOptimGolden(t)
	for _, c := range optimCases() {
		if c.biases != nil || c.skip != nil || c.change != nil {
			continue
		}
		inScope(t, func() {
			f := func(what string, of, ofGrad func([]float32) torch.Tensor) {
				t.Helper()
				p := of(g.Initial[0]).Detach()
				p.SetRequiresGrad(true)
				opt := c.make()
				defer opt.Close()
				opt.AddParameters([]torch.Tensor{p})
				for step, want := range g.Cases[c.name][:3] {
					torch.SetGradAsItIs(p, ofGrad(g.Grads[step][0]))
					opt.Step()
					opt.ZeroGrad()
					near(t, want[0], p, "%s, %s, step %d", c.name, what, step)
				}
			}
			f("transposed parameter", transposed, plain)
			f("transposed gradient", plain, transposed)
			f("both", transposed, transposed)
			f("parameter with gaps", gaps, plain)
			f("gaps, transposed gradient", gaps, transposed)
		})
	}
}

func TestLayoutsLeaveTheGapsAlone(t *testing.T) {
	inScope(t, func() {
		wide := torch.Full([]int64{2, 4}, 5, false)
		p := torch.Narrow(wide, 1, 1, 2).Detach()
		p.SetRequiresGrad(true)
		opt := torch.Adam(1, 0.9, 0.999, 0)
		defer opt.Close()
		opt.AddParameters([]torch.Tensor{p})
		giveGrad(p, torch.Ones([]int64{2, 2}, false))
		opt.Step()
		assert.InDeltaSlice(t, []float32{5, 4, 4, 5, 5, 4, 4, 5}, torch.Slice[float32](wide), 1e-6)
	})
}

// One optimizer of parameters of several types does what one for each type does.
func TestParametersOfSeveralTypes(t *testing.T) {
	for _, c := range optimCases() {
		inScope(t, func() {
			parameters := func() []torch.Tensor {
				var list []torch.Tensor
				for _, dtype := range []int8{torch.Float, torch.Double, torch.BFloat16, torch.Float, torch.Double} {
					p := torch.Full([]int64{3}, 1.5, false).CastTo(dtype)
					p.SetRequiresGrad(true)
					list = append(list, p)
				}
				return list
			}
			train := func(params []torch.Tensor) {
				opt := c.make()
				defer opt.Close()
				opt.AddParameters(params)
				for range 3 {
					for _, p := range params {
						giveGrad(p, torch.Full([]int64{3}, 0.25, false).CastTo(p.Dtype()))
					}
					opt.Step()
					opt.ZeroGrad()
				}
			}
			together, apart := parameters(), parameters()
			train(together)
			for i, p := range apart {
				train([]torch.Tensor{p})
				assert.Equal(t, p.Bytes(), together[i].Bytes(), "%s, parameter %d", c.name, i)
			}
		})
	}
}

// The state follows a parameter that is laid out anew between two steps.
func TestStateFollowsTheParameter(t *testing.T) {
	g := loadOptimGolden(t)
	for _, name := range []int{3, 8, 17} {
		c := optimCases()[name]
		inScope(t, func() {
			params := g.parameters()
			opt := c.open(params)
			defer opt.Close()
			for step := range 10 {
				if step == 4 {
					p := params[0]
					p.SetData(p.Detach().Transpose(0, 1).Contiguous(torch.ContiguousFormat).Transpose(0, 1))
				}
				c.step(g, opt, params, step)
			}
			near(t, g.Cases[c.name][9][0], params[0], "%s", c.name)
		})
	}
}

func TestGroups(t *testing.T) {
	inScope(t, func() {
		params := loadOptimGolden(t).parameters()
		opt := torch.SGD(0.1, 0.9, 0, 5e-4, true)
		defer opt.Close()
		opt.AddParameters([]torch.Tensor{params[0], params[2], params[0]}) // shared by two layers
		opt.AddParameterGroup([]torch.Tensor{params[1], params[3]}).WeightDecay = 0
		groups := opt.Groups()
		require.Len(t, groups, 2)
		assert.Len(t, groups[0].Parameters(), 2)
		assert.Equal(t, 5e-4, groups[0].WeightDecay)
		assert.Equal(t, 0.1, groups[1].LR)
		assert.Equal(t, 0.9, groups[1].Momentum)
		opt.SetLRs([]float64{1, 2})
		assert.Equal(t, []float64{1, 2}, opt.LRs())
		assert.Equal(t, 1.0, opt.LR())
		opt.SetLR(3)
		assert.Equal(t, []float64{3, 3}, opt.LRs())
	})
}

func TestMisuseOfAnOptimizer(t *testing.T) {
	inScope(t, func() {
		params := loadOptimGolden(t).parameters()
		opt := torch.SGD(0.1, 0.9, 0, 0, false)
		opt.AddParameters(params[:2])
		f := func(want string, misuse func()) {
			t.Helper()
			assert.Contains(t, refusal(t, misuse).Error(), want)
		}
		f("parameter 1 of those given was computed by an operator", func() {
			opt.AddParameters([]torch.Tensor{params[3], torch.Mul(params[2], params[2])})
		})
		assert.Len(t, opt.Groups()[0].Parameters(), 2, "nothing is added when one is refused")
		f("parameter 0 of those given is in another group", func() { opt.AddParameterGroup(params[1:]) })
		f("the tensor is nil", func() { opt.AddParameters([]torch.Tensor{{}}) })
		f("1 learning rates for", func() { opt.AddParameterGroup(nil); opt.SetLRs([]float64{1}) })

		f("the optimizer is nil", func() { torch.Optimizer{}.Step() })
		torch.Optimizer{}.Close()
		opt.Close()
		for name, method := range map[string]func(){
			"Step": opt.Step, "ZeroGrad": opt.ZeroGrad,
			"SetLR":         func() { opt.SetLR(1) },
			"AddParameters": func() { opt.AddParameters(params) },
			"StateDict":     func() { opt.StateDict() },
		} {
			f("torch.SGD."+name+": the optimizer is closed", method)
		}
	})
}

func TestSettingsOfOptimizersOutOfRange(t *testing.T) {
	f := func(_ torch.Optimizer, err error) func(want string) {
		return func(want string) { t.Helper(); assert.ErrorContains(t, err, want) }
	}
	f(torch.TrySGD(-1, 0, 0, 0, false))("torch.SGD: lr is -1; it must be 0 or more")
	f(torch.TrySGD(math.NaN(), 0, 0, 0, false))("lr is NaN")
	f(torch.TrySGD(0.1, 0, 0, 0, true))("nesterov is true; it wants a momentum")
	f(torch.TrySGD(0.1, 0.9, 0.5, 0, true))("nesterov is true; it wants a momentum")
	f(torch.TryAdam(0.1, 1, 0.9, 0))("torch.Adam: beta1 is 1; it must be at least 0 and below 1")
	f(torch.TryAdamW(0.1, 0.9, 0.9, -1))("torch.AdamW: weightDecay is -1")
	f(torch.TryRMSProp(0.1, 0.9, -1, 0, 0, false))("torch.RMSProp: eps is -1")
	assert.Contains(t, refusal(t, func() { torch.Adam(0.1, 0.9, 2, 0) }).Error(), "beta2 is 2")
	_, err := torch.TrySGD(0.1, 0, 0, 0, false)
	assert.NoError(t, err)
}

// gotorch freed an optimizer in Close and once more in its finalizer.
func TestOptimizerIsFreedOnce(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	g := loadOptimGolden(t)
	for range 20 {
		torch.Scope(func(keep) {
			params := g.parameters()
			for _, c := range optimCases() {
				opt := c.open(params)
				g.backward(params, 0, nil)
				opt.Step()
				opt.ZeroGrad()
				opt.Close()
				opt.Close()
			}
		})
		runtime.GC()
	}
}
