package torch

import (
	"fmt"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// GradScaler lets a network train with parts of it in float16 (see [Autocast]).
//
// Small gradients are zero in float16. So the loss, and with it every gradient,
// is multiplied by a large scale before Backward, and the gradients are divided
// by it before the step. When the scale is too large they become infinite: that
// step is skipped and the scale lowered. When nothing was infinite for a while
// the scale is raised again. A training step is
//
//	scaler.Scale(loss).Backward()
//	scaler.Step(opt)
//	scaler.Update()
//	opt.ZeroGrad()
//
// with Unscale(opt) before whatever reads the gradients, such as ClipGradNorm.
// Step waits for the device once, to learn whether a gradient was infinite.
// Training in bfloat16, whose range is that of float32, needs no scaler.
//
// A GradScaler belongs to one goroutine. It works on any device, and with several
// optimizers.
type GradScaler struct {
	options GradScalerOptions
	scale   Tensor   // Float scalar on the first loss's device; nil before
	tracker Tensor   // Int scalar: steps since the scale was changed or lowered
	begin   struct { // what the two are made with
		scale   float32
		tracker int32
	}
	checks map[*OptimizerState]*gradCheck
}

// gradCheck is where an optimizer stands between two calls of Update.
type gradCheck struct {
	found   []Tensor // a Float scalar a device: 1 when a gradient was not finite
	stepped bool
}

// GradScalerOptions are the settings of a [GradScaler]; zero fields have the
// defaults, which are PyTorch's.
type GradScalerOptions struct {
	InitScale      float64 // default 65536
	GrowthFactor   float64 // default 2: what the scale is multiplied with …
	GrowthInterval int64   // default 2000: … after so many good steps in a row
	BackoffFactor  float64 // default 0.5: what it is multiplied with after a bad one
	Disabled       bool    // scale by nothing, so that one program serves both ways
}

var opAmpUpdateScale = libtorch.NewOp("aten::_amp_update_scale_")

// NewGradScaler makes a scaler. It panics when a setting is out of its range: the
// scale and the interval are above 0, the growth factor above 1, and the backoff
// factor between 0 and 1.
func NewGradScaler(options GradScalerOptions) *GradScaler {
	return must(TryNewGradScaler(options))
}

// TryNewGradScaler is NewGradScaler with an error instead of a panic.
func TryNewGradScaler(o GradScalerOptions) (*GradScaler, error) {
	for _, f := range []struct {
		v   *float64
		def float64
	}{{&o.InitScale, 65536}, {&o.GrowthFactor, 2}, {&o.BackoffFactor, 0.5}} {
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	if o.GrowthInterval == 0 {
		o.GrowthInterval = 2000
	}
	c := settings{maker: "GradScaler"}
	c.check(o.InitScale > 0, "InitScale", o.InitScale, "it must be above 0")
	c.check(o.GrowthFactor > 1, "GrowthFactor", o.GrowthFactor, "it must be above 1")
	c.check(o.BackoffFactor > 0 && o.BackoffFactor < 1, "BackoffFactor", o.BackoffFactor, "it must lie between 0 and 1")
	c.check(o.GrowthInterval > 0, "GrowthInterval", o.GrowthInterval, "it must be above 0")
	if c.err != nil {
		return nil, c.err
	}
	s := &GradScaler{options: o, checks: map[*OptimizerState]*gradCheck{}}
	s.begin.scale = float32(o.InitScale)
	return s, nil
}

func (s *GradScaler) refuse(method, why string) {
	panic(&Error{Op: "torch.GradScaler." + method, Text: why})
}

// Scale returns loss multiplied by the scale, to call Backward on.
func (s *GradScaler) Scale(loss Tensor) Tensor {
	if s.options.Disabled {
		return loss
	}
	info := loss.info()
	if s.scale.T == nil {
		s.scale = lastingNumber(placeOf(&info), Float, float64(s.begin.scale))
		s.tracker = lastingNumber(placeOf(&info), Int, float64(s.begin.tracker))
	}
	return Mul(loss, s.scale.moved(placeOf(&info)))
}

// lastingNumber is numberAt for one that belongs to no scope.
func lastingNumber(at place, dtype int8, v float64) (t Tensor) {
	outsideScopes(func() { t = numberAt(at, dtype, v) })
	return t
}

// Unscale divides the gradients of opt's parameters by the scale and takes note
// whether all are finite. Step does so itself unless it has been done; call it
// for what needs the true gradients before. Once for each Update.
func (s *GradScaler) Unscale(opt Optimizer) {
	state := opt.open("Unscale")
	switch {
	case s.options.Disabled:
		return
	case s.scale.T == nil:
		s.refuse("Unscale", "no loss has been scaled; call Backward on what Scale returns")
	case s.checks[state] != nil:
		s.refuse("Unscale", "the gradients of this optimizer have been unscaled since the last Update; call Update after each Step")
	}
	check := &gradCheck{}
	Scope(func(func(Tensor) Tensor) {
		grads := gradsOf(state.parameters())
		if len(grads) == 0 {
			s.refuse("Unscale", "no parameter of this optimizer has a gradient; call Backward on what Scale returns")
		}
		for _, g := range grads {
			if g.dtype == int64(Half) {
				s.refuse("Unscale", "a parameter is float16; keep parameters in float32 and let Autocast choose float16 for the operators that profit")
			}
		}
		NoGrad(func() {
			inverse := s.inverse()
			for _, g := range grads {
				foreachCheckUnscale(g.grads, check.foundAt(g.place), inverse.moved(g.place))
			}
		})
	})
	s.checks[state] = check
}

func (s *OptimizerState) parameters() []Tensor {
	var list []Tensor
	for _, g := range s.groups {
		list = append(list, g.Parameters()...)
	}
	return list
}

// inverse returns 1/scale, rounded once.
func (s *GradScaler) inverse() Tensor {
	return Reciprocal(s.scale.CastTo(Double)).CastTo(Float)
}

// foundAt returns the flag of a device. Gradients of several dtypes share it.
func (c *gradCheck) foundAt(at place) Tensor {
	for _, t := range c.found {
		if info := t.info(); info.DeviceType == at.deviceType && info.DeviceIndex == at.deviceIndex {
			return t
		}
	}
	t := lastingNumber(at, Float, 0)
	c.found = append(c.found, t)
	return t
}

// Step calls opt.Step unless a gradient is infinite or no number, and tells
// whether it did. The gradients are unscaled first when they have not been.
func (s *GradScaler) Step(opt Optimizer) bool {
	if s.options.Disabled {
		opt.Step()
		return true
	}
	state := opt.open("Step")
	if s.checks[state] == nil {
		s.Unscale(opt)
	}
	check := s.checks[state]
	if check.stepped {
		s.refuse("Step", "this optimizer has been stepped since the last Update; call Update after each Step")
	}
	check.stepped = true
	for _, t := range check.found {
		if t.Float64() != 0 {
			return false
		}
	}
	opt.Step()
	return true
}

// Update lowers the scale when a gradient of any optimizer was infinite or no
// number since the last Update, and raises it after GrowthInterval good steps in
// a row. It waits for no device.
func (s *GradScaler) Update() {
	if s.options.Disabled {
		return
	}
	var found []Tensor
	for _, check := range s.checks {
		found = append(found, check.found...)
	}
	if len(found) == 0 {
		s.refuse("Update", "no optimizer has been stepped since the last Update")
	}
	Scope(func(func(Tensor) Tensor) {
		NoGrad(func() { s.update(found) })
	})
	s.forgetChecks()
}

func (s *GradScaler) update(found []Tensor) {
	info := s.scale.info()
	at := placeOf(&info)
	sum := found[0].moved(at)
	for _, t := range found[1:] {
		sum.AddI(t.moved(at), 1)
	}
	var c call
	c.tensor(s.scale).tensor(s.tracker).tensor(sum)
	c.Float(s.options.GrowthFactor).Float(s.options.BackoffFactor).Int(s.options.GrowthInterval)
	c.exec(opAmpUpdateScale)
}

func (s *GradScaler) forgetChecks() {
	for _, check := range s.checks {
		for _, t := range check.found {
			t.Close()
		}
	}
	clear(s.checks)
}

// CurrentScale tells what the next loss is multiplied with; 1 when disabled. It
// waits for the device.
func (s *GradScaler) CurrentScale() float64 {
	switch {
	case s.options.Disabled:
		return 1
	case s.scale.T == nil:
		return float64(s.begin.scale)
	}
	return s.scale.Float64()
}

// StateDict returns what a checkpoint must hold for a scaler of the same options
// to go on exactly: "scale", a Float scalar, and "growth_tracker", an Int one,
// copied. Save it after Update.
func (s *GradScaler) StateDict() map[string]Tensor {
	scale, tracker := s.begin.scale, s.begin.tracker
	if s.scale.T != nil {
		scale, tracker = float32(s.scale.Float64()), int32(s.tracker.Float64())
	}
	return map[string]Tensor{"scale": FromSlice([]float32{scale}), "growth_tracker": FromSlice([]int32{tracker})}
}

// SetStateDict restores what StateDict returned. It returns an error, and changes
// nothing, when something is missing.
func (s *GradScaler) SetStateDict(dict map[string]Tensor) error {
	for _, key := range []string{"scale", "growth_tracker"} {
		if t, ok := dict[key]; !ok || t.Numel() != 1 {
			return fmt.Errorf("cannot restore the gradient scaler: %q is missing or not a single number", key)
		}
	}
	s.Close()
	s.begin.scale = float32(dict["scale"].Float64())
	s.begin.tracker = int32(dict["growth_tracker"].Float64())
	return nil
}

// Close frees the scaler's tensors. The next Scale makes them anew, as they were
// at the start or last restored. It may be called more than once.
func (s *GradScaler) Close() {
	s.scale.Close()
	s.tracker.Close()
	s.scale, s.tracker = Tensor{}, Tensor{}
	s.forgetChecks()
}
