package train

import (
	"slices"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/torch"
)

// target is what a training batch is to be recognised as.
type target struct {
	labels torch.Tensor // [N] Long: what counts as right
	soft   torch.Tensor // [N, classes] Float: shares, for a mixed batch; else the zero Tensor
}

// mix mixes the images of a batch in pairs, when the settings and the batch's number
// say so, and returns the target on the run's device.
func (r *run) mix(b *dataset.Batch) target {
	m := r.data.mixer.Plan(r.cfg.Seed, r.at.Epoch, b.Index, b.Height, b.Width)
	if r.data.mixer == nil || r.overfits() {
		return target{labels: r.place(torch.FromSlice(b.Labels, int64(b.N)))}
	}
	m.Apply(b.Images, b.N, b.Height, b.Width)
	shares := make([]float32, b.N*len(r.data.classes))
	r.data.mixer.Targets(shares, b.Labels, m)
	labels := b.Labels
	if m.Lambda < 0.5 { // the partner, the image at the other end, is the larger part
		labels = slices.Clone(labels)
		slices.Reverse(labels)
	}
	return target{
		labels: r.place(torch.FromSlice(labels, int64(b.N))),
		soft:   r.place(torch.FromSlice(shares, int64(b.N), int64(len(r.data.classes)))),
	}
}

// loss is the cross entropy that is trained on, with the classes' weights.
func (r *run) loss(logits torch.Tensor, t target) torch.Tensor {
	if t.soft.T != nil { // smoothed already
		return torch.CrossEntropyLoss(logits, t.soft, r.data.weights, torch.ReduceMean, -100, 0)
	}
	return torch.CrossEntropyLoss(logits, t.labels, r.data.weights, torch.ReduceMean, -100, r.cfg.Optim.LabelSmoothing)
}

// countCorrect returns how many of the labels [N] are the largest of the logits
// [N, classes], a scalar.
func countCorrect(logits, labels torch.Tensor) torch.Tensor {
	return torch.Sum(torch.Eq(torch.ArgmaxDim(logits, 1), labels))
}
