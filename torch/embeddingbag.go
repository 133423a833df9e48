package torch

import "github.com/torchlit/torchlit/torch/internal/libtorch"

var opEmbeddingBag = libtorch.NewOp("aten::embedding_bag.padding_idx")

// BagMode says how [EmbeddingBag] joins the rows of a bag. The numbers are
// libtorch's.
type BagMode int64

// The modes of EmbeddingBag.
const (
	BagSum  BagMode = 0
	BagMean BagMode = 1
	BagMax  BagMode = 2
)

// EmbeddingBag joins the rows of weight [n, dim] at indices (Long) [N] by bags:
// bag i begins at offsets[i] and ends before offsets[i+1], the last one at the end.
// The result is [bags, dim]; an empty bag is 0. scales [N], which multiply the rows
// of BagSum, may be the zero Tensor. Rows at paddingIdx are left out; -1 for none.
func EmbeddingBag(weight, indices, offsets Tensor, mode BagMode, scales Tensor, paddingIdx int64) Tensor {
	return must(TryEmbeddingBag(weight, indices, offsets, mode, scales, paddingIdx))
}

// TryEmbeddingBag is EmbeddingBag with an error for its panic.
func TryEmbeddingBag(weight, indices, offsets Tensor, mode BagMode, scales Tensor, paddingIdx int64) (Tensor, error) {
	var c call
	c.tensor(weight).tensor(indices).tensor(offsets).Bool(false).Int(int64(mode)).Bool(false)
	c.optional(scales).Bool(false)
	if paddingIdx < 0 {
		c.None() // to libtorch a negative one counts from the end
	} else {
		c.Int(paddingIdx)
	}
	// The other three results are what the backward pass has saved already.
	var r [4]libtorch.Result
	n, scope, err := c.do(opEmbeddingBag, r[:])
	if err != nil {
		return Tensor{}, err
	}
	for i := range r[1:n] {
		adopt(&r[1+i], scope).Close()
	}
	return adopt(&r[0], scope), nil
}
