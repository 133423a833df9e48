package torch

import (
	"slices"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// placedGrads is gradients of one dtype and device, which one operator can take.
type placedGrads struct {
	place
	grads []Tensor
}

// gradsOf sorts the gradients that the parameters have. They are made in the
// caller's scope.
func gradsOf(parameters []Tensor) []placedGrads {
	var groups []placedGrads
	for _, p := range parameters {
		grad := p.Grad()
		if grad.T == nil {
			continue
		}
		info := grad.info()
		at := placeOf(&info)
		i := slices.IndexFunc(groups, func(g placedGrads) bool { return g.place == at })
		if i < 0 {
			i = len(groups)
			groups = append(groups, placedGrads{place: at})
		}
		groups[i].grads = append(groups[i].grads, grad)
	}
	return groups
}

// moved returns t, or a copy of it on the device of at.
func (t Tensor) moved(at place) Tensor {
	info := t.info()
	if info.DeviceType == at.deviceType && info.DeviceIndex == at.deviceIndex {
		return t
	}
	return t.To(at.device())
}

var opNumberAt = libtorch.NewOp("aten::full")

// numberAt makes a tensor of one number and no dimension on the device of at.
func numberAt(at place, dtype int8, v float64) Tensor {
	var c call
	c.Ints().Float(v).Int(int64(dtype)).None().Device(at.deviceType, at.deviceIndex).None()
	return c.run(opNumberAt)
}
