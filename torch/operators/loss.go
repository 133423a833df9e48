//go:build ignore

package operators

// CrossEntropyLoss returns the cross entropy of logits [N, classes, ...] against
// target: class indices (Long) [N, ...], or probabilities of logits' shape. weight
// [classes] may be the zero Tensor. labelSmoothing in [0, 1) moves that share of
// the target's mass to all classes evenly.
//
//torch:op aten::cross_entropy_loss(logits, target, weight?, reduction, ignoreIndex, labelSmoothing)
func CrossEntropyLoss(logits, target, weight Tensor, reduction Reduction, ignoreIndex int64, labelSmoothing float64) Tensor

// NLLLoss returns the negative of the target classes' log-probabilities: logProbs
// [N, classes, ...], target (Long) [N, ...]. weight [classes] may be the zero Tensor.
//
//torch:op aten::nll_loss_nd(logProbs, target, weight?, reduction, ignoreIndex)
func NLLLoss(logProbs, target, weight Tensor, reduction Reduction, ignoreIndex int64) Tensor

// BCELoss returns the binary cross entropy of probabilities against targets in
// [0, 1]. weight, broadcast, may be the zero Tensor.
//
//torch:op aten::binary_cross_entropy(input, target, weight?, reduction)
func BCELoss(input, target, weight Tensor, reduction Reduction) Tensor

// BCEWithLogitsLoss is BCELoss of Sigmoid(logits), exact for large logits. weight
// and posWeight, the weight of the positive class, may be zero Tensors.
//
//torch:op aten::binary_cross_entropy_with_logits(logits, target, weight?, posWeight?, reduction)
func BCEWithLogitsLoss(logits, target, weight, posWeight Tensor, reduction Reduction) Tensor

// MSELoss returns (input - target)².
//
//torch:op aten::mse_loss(input, target, reduction)
func MSELoss(input, target Tensor, reduction Reduction) Tensor

// L1Loss returns |input - target|.
//
//torch:op aten::l1_loss(input, target, reduction)
func L1Loss(input, target Tensor, reduction Reduction) Tensor

// SmoothL1Loss returns a quadratic loss below beta and L1Loss - beta/2 above.
//
//torch:op aten::smooth_l1_loss(input, target, reduction, beta)
func SmoothL1Loss(input, target Tensor, reduction Reduction, beta float64) Tensor

// HuberLoss returns a quadratic loss below delta and a linear one above.
//
//torch:op aten::huber_loss(input, target, reduction, delta)
func HuberLoss(input, target Tensor, reduction Reduction, delta float64) Tensor

// KLDivLoss returns target·(log target - input): input holds log-probabilities, and
// so does target when logTarget. [ReduceMean] divides by the number of elements.
//
//torch:op aten::kl_div(input, target, reduction, logTarget)
func KLDivLoss(input, target Tensor, reduction Reduction, logTarget bool) Tensor

// CosineEmbeddingLoss returns 1 - cos(a, b) where target is 1, and
// max(0, cos(a, b) - margin) where it is -1: a, b [N, d], target [N].
//
//torch:op aten::cosine_embedding_loss(a, b, target, margin, reduction)
func CosineEmbeddingLoss(a, b, target Tensor, margin float64, reduction Reduction) Tensor

// MarginRankingLoss returns max(0, -target·(a - b) + margin).
//
//torch:op aten::margin_ranking_loss(a, b, target, margin, reduction)
func MarginRankingLoss(a, b, target Tensor, margin float64, reduction Reduction) Tensor

// HingeEmbeddingLoss returns input where target is 1, and max(0, margin - input)
// where it is -1.
//
//torch:op aten::hinge_embedding_loss(input, target, margin, reduction)
func HingeEmbeddingLoss(input, target Tensor, margin float64, reduction Reduction) Tensor

// TripletMarginLoss returns max(0, d(anchor, positive) - d(anchor, negative) +
// margin), d being the p-norm distance; all are [N, d].
//
//torch:op aten::triplet_margin_loss(anchor, positive, negative, margin, p, 1e-6, false, reduction)
func TripletMarginLoss(anchor, positive, negative Tensor, margin, p float64, reduction Reduction) Tensor

// SoftMarginLoss returns log(1 + e^(-target·input)).
//
//torch:op aten::soft_margin_loss(input, target, reduction)
func SoftMarginLoss(input, target Tensor, reduction Reduction) Tensor

// PoissonNLLLoss returns e^input - target·input when logInput, and
// input - target·log(input + eps) otherwise.
//
//torch:op aten::poisson_nll_loss(input, target, logInput, false, eps, reduction)
func PoissonNLLLoss(input, target Tensor, logInput bool, eps float64, reduction Reduction) Tensor

// CTCLoss returns the connectionist temporal classification loss: logProbs
// [T, N, classes], targets (Long) [N, S]; the lengths are one a sample. blank is the
// class that stands for no label.
//
//torch:op aten::ctc_loss.IntList(logProbs, targets, inputLengths, targetLengths, blank, reduction, zeroInfinity)
func CTCLoss(logProbs, targets Tensor, inputLengths, targetLengths []int64, blank int64, reduction Reduction, zeroInfinity bool) Tensor

// MultiMarginLoss returns, for scores [N, classes] and target (Long) [N], the sum of
// max(0, margin - score of the target + score)^p over the other classes, divided by
// the number of classes. weight [classes] may be the zero Tensor; p is 1 or 2.
//
//torch:op aten::multi_margin_loss(input, target, p, margin, weight?, reduction)
func MultiMarginLoss(input, target Tensor, p, margin float64, weight Tensor, reduction Reduction) Tensor

// MultilabelMarginLoss is MultiMarginLoss for several targets a sample: target
// [N, classes] (Long) lists them, ended by -1.
//
//torch:op aten::multilabel_margin_loss(input, target, reduction)
func MultilabelMarginLoss(input, target Tensor, reduction Reduction) Tensor
