package nn

import "github.com/torchlit/torchlit/torch"

// DropoutModule zeroes elements, or whole channels, at random in training: see Dropout
// and Dropout2d.
type DropoutModule struct {
	Module
	P        float64 // the probability to be zeroed
	Channels bool    // whole channels
}

// Dropout makes a layer that in training zeroes each element with probability p, and
// scales the others by 1/(1-p). In evaluation it hands its input on.
func Dropout(p float64) *DropoutModule { return newDropout("nn.Dropout", p, false) }

// Dropout2d is Dropout of whole channels of images [N, C, H, W].
func Dropout2d(p float64) *DropoutModule { return newDropout("nn.Dropout2d", p, true) }

func newDropout(op string, p float64, channels bool) *DropoutModule {
	mustBeProbability(op, p)
	d := &DropoutModule{P: p, Channels: channels}
	d.Init(d)
	return d
}

func mustBeProbability(op string, p float64) {
	if !(p >= 0 && p <= 1) {
		panic(misuse(op, "the probability is %v; give one from 0 to 1", p))
	}
}

// Forward drops elements of x, of any shape, or channels of x [N, C, ...].
func (d *DropoutModule) Forward(x torch.Tensor) torch.Tensor {
	if d.Channels {
		return torch.FeatureDropout(x, d.P, d.IsTraining())
	}
	return torch.Dropout(x, d.P, d.IsTraining())
}
