package nn

import (
	"math"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn/initializer"
)

// MultiheadAttentionModule lets each query look at all keys: see MultiheadAttention.
type MultiheadAttentionModule struct {
	Module
	EmbedDim     int64
	NumHeads     int64
	DropoutP     float64
	BatchFirst   bool
	InProjWeight torch.Tensor // [3·dim, dim]: the projections of query, key and value
	InProjBias   torch.Tensor // [3·dim]; the zero Tensor without bias
	OutProj      *LinearModule
}

// AttentionOptions are the optional settings of a MultiheadAttention. The zero value is
// PyTorch's defaults.
type AttentionOptions struct {
	Dropout    float64 // the probability that a weight is dropped in training
	NoBias     bool
	BatchFirst bool // inputs are [N, L, dim], not [L, N, dim]
}

// MultiheadAttention makes the attention of Vaswani et al.,
// https://arxiv.org/abs/1706.03762: heads of dim/heads numbers each. Parameters have
// PyTorch's names and, with the same seed, its values.
func MultiheadAttention(dim, heads int64, o AttentionOptions) *MultiheadAttentionModule {
	if heads < 1 || dim < 1 || dim%heads != 0 {
		panic(misuse("nn.MultiheadAttention", "%d numbers do not fall into %d heads; give a divisor", dim, heads))
	}
	mustBeProbability("nn.MultiheadAttention", o.Dropout)
	a := &MultiheadAttentionModule{
		EmbedDim: dim, NumHeads: heads, DropoutP: o.Dropout, BatchFirst: o.BatchFirst,
		InProjWeight: torch.Empty([]int64{3 * dim, dim}, true),
		OutProj:      Linear(dim, dim, !o.NoBias),
	}
	initializer.XavierUniform(&a.InProjWeight, 1)
	if !o.NoBias {
		a.InProjBias = torch.Zeros([]int64{3 * dim}, true)
		initializer.Zeros(&a.OutProj.Bias)
	}
	a.Init(a)
	return a
}

// AttentionInput says what a query may look at, and what Forward returns. The zero
// value is everything, and no weights.
type AttentionInput struct {
	// Mask hides keys from queries: [L, S], or [N·heads, L, S] for each head. Of type
	// Bool, true hides; of another, it is added to the scores. The zero Tensor hides
	// nothing.
	Mask torch.Tensor
	// KeyPaddingMask [N, S] hides keys from all queries in the same way.
	KeyPaddingMask torch.Tensor
	// Weights asks for the attention weights, averaged over the heads.
	Weights bool
	// HeadWeights asks for the weights of each head.
	HeadWeights bool
}

// Forward returns, for each query of [L, N, dim], the values [S, N, dim] weighted by
// how well their keys [S, N, dim] fit: [L, N, dim]. With BatchFirst, all are
// [N, L, dim] and [N, S, dim]. weights is [N, L, S] or [N, heads, L, S] when asked for,
// and otherwise the zero Tensor.
func (a *MultiheadAttentionModule) Forward(query, key, value torch.Tensor, in AttentionInput) (output, weights torch.Tensor) {
	for _, x := range []torch.Tensor{query, key, value} {
		if shape := x.Shape(); len(shape) != 3 || shape[2] != a.EmbedDim {
			panic(misuse("nn.MultiheadAttention", "an input has shape %v; give three dimensions, the last of %d", shape, a.EmbedDim))
		}
	}
	torch.Scope(func(keep func(torch.Tensor) torch.Tensor) {
		q, k, v := a.project(query, key, value)
		mask := a.mask(in, q, k)
		var heads torch.Tensor
		if in.Weights || in.HeadWeights {
			heads, weights = a.attend(q, k, v, mask)
			if !in.HeadWeights {
				weights = torch.MeanDims(weights, []int64{1}, false)
			}
			weights = keep(weights)
		} else {
			heads = torch.ScaledDotProductAttention(q, k, v, mask, a.dropout(), false)
		}
		output = keep(a.join(heads))
	})
	return output, weights
}

func (a *MultiheadAttentionModule) dropout() float64 {
	if a.IsTraining() {
		return a.DropoutP
	}
	return 0
}

// project maps the inputs to queries, keys and values [N, heads, length, dim/heads].
func (a *MultiheadAttentionModule) project(query, key, value torch.Tensor) (q, k, v torch.Tensor) {
	if query.T == key.T && key.T == value.T { // one product is faster than three
		all := torch.Chunk(torch.Linear(query, a.InProjWeight, a.InProjBias), 3, -1)
		return a.split(all[0]), a.split(all[1]), a.split(all[2])
	}
	weights := torch.Chunk(a.InProjWeight, 3, 0)
	biases := make([]torch.Tensor, 3)
	if a.InProjBias.T != nil {
		biases = torch.Chunk(a.InProjBias, 3, 0)
	}
	return a.split(torch.Linear(query, weights[0], biases[0])),
		a.split(torch.Linear(key, weights[1], biases[1])),
		a.split(torch.Linear(value, weights[2], biases[2]))
}

// split makes [N, heads, length, dim/heads] of an input as the caller lays it out.
func (a *MultiheadAttentionModule) split(x torch.Tensor) torch.Tensor {
	x = torch.Unflatten(x, -1, []int64{a.NumHeads, a.EmbedDim / a.NumHeads})
	if a.BatchFirst {
		return x.Transpose(1, 2)
	}
	return x.Permute([]int64{1, 2, 0, 3})
}

// join is the inverse of split, and the output's projection.
func (a *MultiheadAttentionModule) join(x torch.Tensor) torch.Tensor {
	if a.BatchFirst {
		x = x.Transpose(1, 2)
	} else {
		x = x.Permute([]int64{2, 0, 1, 3})
	}
	return a.OutProj.Forward(torch.Flatten(x, 2, 3))
}

// attend is ScaledDotProductAttention that returns the weights, too. As in PyTorch,
// they are those after dropout.
func (a *MultiheadAttentionModule) attend(q, k, v, mask torch.Tensor) (heads, weights torch.Tensor) {
	scores := torch.Matmul(q.MulScalar(1/math.Sqrt(float64(a.EmbedDim/a.NumHeads))), k.Transpose(2, 3))
	if mask.T != nil {
		scores = scores.Add(mask, 1)
	}
	weights = torch.Dropout(torch.Softmax(scores, -1), a.dropout(), a.IsTraining())
	return torch.Matmul(weights, v), weights
}

// mask returns the sum of both masks, to be added to scores [N, heads, L, S]; the zero
// Tensor when there are none.
func (a *MultiheadAttentionModule) mask(in AttentionInput, q, k torch.Tensor) torch.Tensor {
	batch, queries, keys := q.Shape()[0], q.Shape()[2], k.Shape()[2]
	var sum torch.Tensor
	if m := in.Mask; m.T != nil {
		sum = additive(m, q.Dtype())
		if sum.Dim() == 3 {
			sum = sum.View(batch, a.NumHeads, queries, keys)
		}
	}
	if m := in.KeyPaddingMask; m.T != nil {
		padding := additive(m, q.Dtype()).View(batch, 1, 1, keys)
		if sum.T == nil {
			return padding
		}
		sum = sum.Add(padding, 1)
	}
	return sum
}

// additive turns a Bool mask, true where something is hidden, into 0 and -Inf.
func additive(mask torch.Tensor, dtype int8) torch.Tensor {
	if mask.Dtype() != torch.Bool {
		return mask
	}
	zeros := torch.ZerosWith(mask.Shape(), torch.Options{DType: torch.DType(dtype), Device: mask.Device()})
	return torch.MaskedFill(zeros, mask, math.Inf(-1))
}
