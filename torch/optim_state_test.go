package torch_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
)

// saved is a tensor as a checkpoint holds it.
type saved struct {
	data  []byte
	dtype int8
	shape []int64
}

func save(dict map[string]torch.Tensor) map[string]saved {
	out := map[string]saved{}
	for key, t := range dict {
		out[key] = saved{t.Bytes(), t.Dtype(), t.Shape()}
	}
	return out
}

func load(file map[string]saved) map[string]torch.Tensor {
	dict := map[string]torch.Tensor{}
	for key, s := range file {
		dict[key] = torch.FromBytes(s.data, s.dtype, s.shape...)
	}
	return dict
}

// A run stopped after any number of steps and resumed in new tensors ends with the
// very bits of one that was not.
func TestOptimizersResumeExactly(t *testing.T) {
	g := loadOptimGolden(t)
	for _, c := range optimCases() {
		inScope(t, func() {
			whole := g.parameters()
			opt := c.open(whole)
			defer opt.Close()
			for step := range 10 {
				c.step(g, opt, whole, step)
			}
			for _, stop := range []int{0, 1, 3, 6} {
				params := g.parameters()
				first := c.open(params)
				for step := range stop {
					c.step(g, first, params, step)
				}
				file := save(first.StateDict())
				first.Close()

				second := c.open(params)
				require.NoError(t, second.SetStateDict(load(file)))
				for step := stop; step < 10; step++ {
					c.step(g, second, params, step)
				}
				for i, p := range params {
					assert.Equal(t, whole[i].Bytes(), p.Bytes(), "%s, stopped after %d, parameter %d", c.name, stop, i)
				}
				second.Close()
			}
		})
	}
}

func TestKeysOfTheStateDict(t *testing.T) {
	g := loadOptimGolden(t)
	f := func(c int, want ...string) {
		t.Helper()
		inScope(t, func() {
			params := g.parameters()
			opt := optimCases()[c].open(params)
			defer opt.Close()
			settings := []string{"groups.0.lr", "groups.0.momentum", "groups.0.weight_decay"}
			assert.Equal(t, settings, slices.Sorted(maps.Keys(opt.StateDict())), "before the first step")
			g.backward(params[:2], 0, nil)
			opt.Step()
			want = append(want, settings...)
			slices.Sort(want)
			assert.Equal(t, want, slices.Sorted(maps.Keys(opt.StateDict())))
		})
	}
	f(0) // sgd without momentum keeps nothing
	f(2, "state.0.momentum_buffer", "state.1.momentum_buffer")
	f(8, "state.0.step", "state.0.exp_avg", "state.0.exp_avg_sq", "state.1.step", "state.1.exp_avg", "state.1.exp_avg_sq")
	f(17, "state.0.square_avg", "state.0.momentum_buffer", "state.0.grad_avg",
		"state.1.square_avg", "state.1.momentum_buffer", "state.1.grad_avg")
}

func TestStateDictRefused(t *testing.T) {
	g := loadOptimGolden(t)
	inScope(t, func() {
		params := g.parameters()
		adam := torch.Adam(0.5, 0.8, 0.99, 0)
		defer adam.Close()
		adam.AddParameters(params)
		g.backward(params, 0, nil)
		adam.Step()
		good := adam.StateDict()
		before := save(good)

		f := func(want string, change func(map[string]torch.Tensor)) {
			t.Helper()
			dict := maps.Clone(good)
			dict["groups.0.lr"] = torch.FromSlice([]float64{7})
			change(dict)
			assert.ErrorContains(t, adam.SetStateDict(dict), "cannot restore the optimizer Adam: "+want)
			assert.Equal(t, before, save(adam.StateDict()), "nothing is changed")
		}
		f(`"groups.0.momentum" is missing; it has 1 parameter groups`, func(d map[string]torch.Tensor) { delete(d, "groups.0.momentum") })
		f(`"groups.1.lr" is not a key of it`, func(d map[string]torch.Tensor) { d["groups.1.lr"] = d["groups.0.lr"] })
		f(`"groups.0.lr" holds 2 numbers`, func(d map[string]torch.Tensor) { d["groups.0.lr"] = torch.Ones([]int64{2}, false) })
		f(`"state.2.exp_avg" is missing`, func(d map[string]torch.Tensor) { delete(d, "state.2.exp_avg") })
		f(`"state.0.momentum_buffer" is not a key`, func(d map[string]torch.Tensor) { d["state.0.momentum_buffer"] = d["state.0.exp_avg"] })
		f(`"state.4.step" is not a key`, func(d map[string]torch.Tensor) { d["state.4.step"] = d["state.0.step"] })
		f(`"state.-1.step" is not a key`, func(d map[string]torch.Tensor) { d["state.-1.step"] = d["state.0.step"] })
		f(`"epoch" is not a key`, func(d map[string]torch.Tensor) { d["epoch"] = d["state.0.step"] })
		f(`"state.0.exp_avg" has shape [4]; the parameter wants [4 3]`, func(d map[string]torch.Tensor) { d["state.0.exp_avg"] = d["state.1.exp_avg"] })
	})
}

func TestMomentaAndRestore(t *testing.T) {
	g := loadOptimGolden(t)
	c := optimCases()[4] // dampening tells a first step from another
	inScope(t, func() {
		params := g.parameters()
		opt := c.open(params)
		c.step(g, opt, params, 0)
		var momenta [][]byte
		for _, m := range opt.Momenta() {
			momenta = append(momenta, m.Bytes())
		}
		opt.Close()

		again := c.open(params)
		defer again.Close()
		for i, m := range again.Momenta() {
			assert.Equal(t, make([]byte, len(momenta[i])), m.Bytes(), "zeros before the first step")
			m.Write(momenta[i])
		}
		again.Restore()
		for step := 1; step < 10; step++ {
			c.step(g, again, params, step)
		}
		for i, p := range params {
			near(t, g.Cases[c.name][9][i], p, "parameter %d", i)
		}
		adam := torch.Adam(0.1, 0.9, 0.99, 0)
		defer adam.Close()
		adam.AddParameters(params)
		assert.Nil(t, adam.Momenta())
	})
}
