package nn

import "github.com/torchlit/torchlit/torch"

// TransformerEncoderLayerModule is attention and a small network of two linear layers,
// each with a shortcut and a normalisation: see TransformerEncoderLayer.
type TransformerEncoderLayerModule struct {
	Module
	SelfAttn  *MultiheadAttentionModule
	Linear1   *LinearModule
	Linear2   *LinearModule
	Norm1     *LayerNormModule
	Norm2     *LayerNormModule
	P         float64 // the probability of dropout
	NormFirst bool

	activation func(torch.Tensor) torch.Tensor
}

// EncoderOptions are the optional settings of a TransformerEncoderLayer. The zero value
// is PyTorch's defaults.
type EncoderOptions struct {
	Feedforward int64   // the width between the linear layers; 0 for 2048
	Activation  string  // relu (the default) or gelu
	NormFirst   bool    // normalises before attention and network, not after
	BatchFirst  bool    // inputs are [N, L, dim], not [L, N, dim]
	Eps         float64 // of the normalisations; 0 for 1e-5
	NoBias      bool
}

// TransformerEncoderLayer makes a layer of a Transformer's encoder for vectors of dim
// numbers. PyTorch's default dropout is 0.1.
func TransformerEncoderLayer(dim, heads int64, dropout float64, o EncoderOptions) *TransformerEncoderLayerModule {
	mustBeProbability("nn.TransformerEncoderLayer", dropout)
	if o.Feedforward == 0 {
		o.Feedforward = 2048
	}
	norm := NormOptions{Eps: o.Eps, NoBias: o.NoBias}
	t := &TransformerEncoderLayerModule{
		SelfAttn:  MultiheadAttention(dim, heads, AttentionOptions{Dropout: dropout, NoBias: o.NoBias, BatchFirst: o.BatchFirst}),
		Linear1:   Linear(dim, o.Feedforward, !o.NoBias),
		Linear2:   Linear(o.Feedforward, dim, !o.NoBias),
		Norm1:     LayerNorm([]int64{dim}, norm),
		Norm2:     LayerNorm([]int64{dim}, norm),
		P:         dropout,
		NormFirst: o.NormFirst,
	}
	switch o.Activation {
	case "", "relu":
		t.activation = torch.Relu
	case "gelu":
		t.activation = func(x torch.Tensor) torch.Tensor { return torch.Gelu(x, "none") }
	default:
		panic(misuse("nn.TransformerEncoderLayer", "the activation is %q; use relu or gelu", o.Activation))
	}
	t.Init(t)
	return t
}

// Forward maps x [L, N, dim], or [N, L, dim] with BatchFirst, to the same shape. The
// masks of in are those of MultiheadAttention; it returns no weights.
func (t *TransformerEncoderLayerModule) Forward(x torch.Tensor, in AttentionInput) (y torch.Tensor) {
	torch.Scope(func(keep func(torch.Tensor) torch.Tensor) {
		if t.NormFirst {
			x = x.Add(t.attend(t.Norm1.Forward(x), in), 1)
			y = x.Add(t.feed(t.Norm2.Forward(x)), 1)
		} else {
			x = t.Norm1.Forward(x.Add(t.attend(x, in), 1))
			y = t.Norm2.Forward(x.Add(t.feed(x), 1))
		}
		keep(y)
	})
	return y
}

func (t *TransformerEncoderLayerModule) attend(x torch.Tensor, in AttentionInput) torch.Tensor {
	in.Weights, in.HeadWeights = false, false
	y, _ := t.SelfAttn.Forward(x, x, x, in)
	return t.drop(y)
}

func (t *TransformerEncoderLayerModule) feed(x torch.Tensor) torch.Tensor {
	return t.drop(t.Linear2.Forward(t.drop(t.activation(t.Linear1.Forward(x)))))
}

func (t *TransformerEncoderLayerModule) drop(x torch.Tensor) torch.Tensor {
	return torch.Dropout(x, t.P, t.IsTraining())
}
