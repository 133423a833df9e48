package nn

import (
	"math"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn/initializer"
)

// RecurrentOptions are the optional settings of LSTM and GRU. The zero value is
// PyTorch's defaults.
type RecurrentOptions struct {
	Layers        int64 // 0 for 1
	NoBias        bool
	BatchFirst    bool    // inputs are [N, L, in], not [L, N, in]
	Dropout       float64 // between the layers, in training
	Bidirectional bool    // also runs from the end, and joins the outputs
}

// RecurrentWeights are the parameters of an LSTM or a GRU, one of each a layer. A cell
// has gates·hidden rows: 4 gates in an LSTM, 3 in a GRU. The biases are nil without
// bias, and those of the reverse direction nil without it.
type RecurrentWeights struct {
	WeightIH        []torch.Tensor `torch:"weight_ih_l%d"` // [gates·hidden, in]
	WeightHH        []torch.Tensor `torch:"weight_hh_l%d"` // [gates·hidden, hidden]
	BiasIH          []torch.Tensor `torch:"bias_ih_l%d"`   // [gates·hidden]
	BiasHH          []torch.Tensor `torch:"bias_hh_l%d"`   // [gates·hidden]
	WeightIHReverse []torch.Tensor `torch:"weight_ih_l%d_reverse"`
	WeightHHReverse []torch.Tensor `torch:"weight_hh_l%d_reverse"`
	BiasIHReverse   []torch.Tensor `torch:"bias_ih_l%d_reverse"`
	BiasHHReverse   []torch.Tensor `torch:"bias_hh_l%d_reverse"`
}

// newRecurrentWeights draws all parameters uniform in ±1/√hidden, layer by layer, as
// PyTorch does.
func newRecurrentWeights(gates, in, hidden int64, o RecurrentOptions) RecurrentWeights {
	bound := 1 / math.Sqrt(float64(hidden))
	draw := func(shape ...int64) torch.Tensor {
		t := torch.Empty(shape, true)
		initializer.Uniform(&t, -bound, bound)
		return t
	}
	var w RecurrentWeights
	rows := gates * hidden
	for range o.Layers {
		for direction := range o.directions() {
			wIH, wHH, bIH, bHH := &w.WeightIH, &w.WeightHH, &w.BiasIH, &w.BiasHH
			if direction == 1 {
				wIH, wHH, bIH, bHH = &w.WeightIHReverse, &w.WeightHHReverse, &w.BiasIHReverse, &w.BiasHHReverse
			}
			*wIH = append(*wIH, draw(rows, in))
			*wHH = append(*wHH, draw(rows, hidden))
			if !o.NoBias {
				*bIH = append(*bIH, draw(rows))
				*bHH = append(*bHH, draw(rows))
			}
		}
		in = hidden * o.directions()
	}
	return w
}

// flat lists the parameters in the order that libtorch takes them in.
func (w *RecurrentWeights) flat() []torch.Tensor {
	var list []torch.Tensor
	for layer := range w.WeightIH {
		list = append(list, w.WeightIH[layer], w.WeightHH[layer])
		if len(w.BiasIH) > 0 {
			list = append(list, w.BiasIH[layer], w.BiasHH[layer])
		}
		if len(w.WeightIHReverse) > 0 {
			list = append(list, w.WeightIHReverse[layer], w.WeightHHReverse[layer])
		}
		if len(w.BiasIHReverse) > 0 {
			list = append(list, w.BiasIHReverse[layer], w.BiasHHReverse[layer])
		}
	}
	return list
}

func (o RecurrentOptions) directions() int64 {
	if o.Bidirectional {
		return 2
	}
	return 1
}

// filled checks the options and sets the defaults.
func (o RecurrentOptions) filled(op string, in, hidden int64) RecurrentOptions {
	if o.Layers == 0 {
		o.Layers = 1
	}
	if in < 1 || hidden < 1 || o.Layers < 1 {
		panic(misuse(op, "%d inputs, %d hidden and %d layers; give at least one of each", in, hidden, o.Layers))
	}
	mustBeProbability(op, o.Dropout)
	return o
}

// state returns zeros for a state that is not given, [layers·directions, N, hidden].
func (o RecurrentOptions) state(op string, x, given torch.Tensor, hidden int64) torch.Tensor {
	shape := x.Shape()
	if len(shape) != 3 {
		panic(misuse(op, "the input has shape %v; give it three dimensions", shape))
	}
	if given.T != nil {
		return given
	}
	batch := shape[1]
	if o.BatchFirst {
		batch = shape[0]
	}
	return torch.ZerosWith([]int64{o.Layers * o.directions(), batch, hidden},
		torch.Options{DType: torch.DType(x.Dtype()), Device: x.Device()})
}

// LSTMModule is a network of long short-term memory: see LSTM.
type LSTMModule struct {
	Module
	InputSize, HiddenSize int64
	Options               RecurrentOptions // with the defaults filled in
	RecurrentWeights
}

// LSTM makes layers of long short-term memory from in to hidden numbers. Parameters have
// PyTorch's names and, with the same seed, its values.
func LSTM(in, hidden int64, o RecurrentOptions) *LSTMModule {
	o = o.filled("nn.LSTM", in, hidden)
	l := &LSTMModule{InputSize: in, HiddenSize: hidden, Options: o, RecurrentWeights: newRecurrentWeights(4, in, hidden, o)}
	l.Init(l)
	return l
}

// Forward runs over x [L, N, in] from the states h0 and c0
// [layers·directions, N, hidden], zeros when they are zero Tensors. It returns the
// outputs of the last layer [L, N, directions·hidden], and the last states. With
// BatchFirst, x and output have N first.
func (l *LSTMModule) Forward(x, h0, c0 torch.Tensor) (output, h, c torch.Tensor) {
	torch.Scope(func(keep func(torch.Tensor) torch.Tensor) {
		o := l.Options
		state := []torch.Tensor{o.state("nn.LSTM", x, h0, l.HiddenSize), o.state("nn.LSTM", x, c0, l.HiddenSize)}
		output, h, c = torch.LSTM(x, state, l.flat(), !o.NoBias, o.Layers, o.Dropout, l.IsTraining(), o.Bidirectional, o.BatchFirst)
		keep(output)
		keep(h)
		keep(c)
	})
	return output, h, c
}

// GRUModule is a network of gated recurrent units: see GRU.
type GRUModule struct {
	Module
	InputSize, HiddenSize int64
	Options               RecurrentOptions // with the defaults filled in
	RecurrentWeights
}

// GRU makes layers of gated recurrent units from in to hidden numbers. Parameters have
// PyTorch's names and, with the same seed, its values.
func GRU(in, hidden int64, o RecurrentOptions) *GRUModule {
	o = o.filled("nn.GRU", in, hidden)
	g := &GRUModule{InputSize: in, HiddenSize: hidden, Options: o, RecurrentWeights: newRecurrentWeights(3, in, hidden, o)}
	g.Init(g)
	return g
}

// Forward is LSTM's, with one state.
func (g *GRUModule) Forward(x, h0 torch.Tensor) (output, h torch.Tensor) {
	torch.Scope(func(keep func(torch.Tensor) torch.Tensor) {
		o := g.Options
		state := o.state("nn.GRU", x, h0, g.HiddenSize)
		output, h = torch.GRU(x, state, g.flat(), !o.NoBias, o.Layers, o.Dropout, g.IsTraining(), o.Bidirectional, o.BatchFirst)
		keep(output)
		keep(h)
	})
	return output, h
}
