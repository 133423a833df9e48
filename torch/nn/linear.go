package nn

import (
	"math"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn/functional"
	"github.com/torchlit/torchlit/torch/nn/initializer"
)

// LinearModule is a fully connected layer: see Linear.
type LinearModule struct {
	Module
	InFeatures  int64
	OutFeatures int64
	Weight      torch.Tensor // [out, in]
	Bias        torch.Tensor // [out]; the zero Tensor without bias
}

// Linear makes a layer from in to out features. Weights and bias are uniform in
// ±1/√in; with the same seed they are PyTorch's.
func Linear(in, out int64, bias bool) *LinearModule {
	l := &LinearModule{InFeatures: in, OutFeatures: out, Weight: torch.Empty([]int64{out, in}, true)}
	if bias {
		l.Bias = torch.Empty([]int64{out}, true)
	}
	initialise(&l.Weight, &l.Bias)
	l.Init(l)
	return l
}

// Forward maps x [..., in] to [..., out].
func (l *LinearModule) Forward(x torch.Tensor) torch.Tensor {
	return functional.Linear(x, l.Weight, l.Bias)
}

// initialise draws the weight and then the bias of a linear layer or a convolution, as
// PyTorch does: in the same order and by the same arithmetic, so that the same seed
// gives the same numbers.
func initialise(weight, bias *torch.Tensor) {
	initializer.KaimingUniform(weight, math.Sqrt(5), "fan_in", "leaky_relu")
	if bias.T == nil {
		return
	}
	bound := 0.0
	if fanIn, _ := initializer.CalculateFanInAndFanOut(*weight); fanIn > 0 {
		bound = 1 / math.Sqrt(float64(fanIn))
	}
	initializer.Uniform(bias, -bound, bound)
}

// EmbeddingModule is a table of vectors: see Embedding.
type EmbeddingModule struct {
	Module
	NumEmbeddings int64
	EmbeddingDim  int64
	PaddingIdx    int64        // the row that is not trained; -1 for none
	Weight        torch.Tensor // [n, dim]
}

// EmbeddingOptions are the optional settings of an Embedding.
type EmbeddingOptions struct {
	// PaddingIdx is a row that begins as zeros and gets no gradient. A negative one
	// counts from the end; nil is none.
	PaddingIdx *int64
}

// Embedding makes a table of n vectors of dim numbers, drawn from the standard normal
// distribution.
func Embedding(n, dim int64, o EmbeddingOptions) *EmbeddingModule {
	e := &EmbeddingModule{NumEmbeddings: n, EmbeddingDim: dim, PaddingIdx: -1, Weight: torch.Empty([]int64{n, dim}, true)}
	initializer.Normal(&e.Weight, 0, 1)
	if o.PaddingIdx != nil {
		e.PaddingIdx = *o.PaddingIdx
		if e.PaddingIdx < 0 {
			e.PaddingIdx += n
		}
		if e.PaddingIdx < 0 || e.PaddingIdx >= n {
			panic(misuse("nn.Embedding", "the padding index %d is not one of %d rows", *o.PaddingIdx, n))
		}
		torch.NoGrad(func() {
			row := e.Weight.Index(e.PaddingIdx)
			row.FillI(0)
			row.Close()
		})
	}
	e.Init(e)
	return e
}

// Forward returns the rows at indices (Long): [..., dim].
func (e *EmbeddingModule) Forward(indices torch.Tensor) torch.Tensor {
	return torch.Embedding(e.Weight, indices, e.PaddingIdx)
}

// Flatten makes a layer that joins the dimensions start to end, both included:
// Flatten(1, -1) leaves the batch alone.
func Flatten(start, end int64) *FunctionalModule {
	return Functional(func(x torch.Tensor) torch.Tensor { return torch.Flatten(x, start, end) })
}

// Identity makes a layer that returns its input itself, not a copy.
func Identity() *FunctionalModule {
	return Functional(func(x torch.Tensor) torch.Tensor { return x })
}
