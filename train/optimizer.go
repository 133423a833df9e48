package train

import (
	"fmt"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/lrscheduler"
)

// The learning rate of a step is lr times a factor, which is a function of the
// step's number (and, for the plateau, of the validations so far): a resumed run
// needs no scheduler's state to go on along the same curve.

// newOptimizer makes the optimizer of o for parameters with the decay that o says.
func (o *Optim) newOptimizer() torch.Optimizer {
	switch o.Name {
	case "adam":
		return torch.Adam(o.LR, o.Betas[0], o.Betas[1], o.WeightDecay)
	case "adamw":
		return torch.AdamW(o.LR, o.Betas[0], o.Betas[1], o.WeightDecay)
	case "rmsprop":
		return torch.RMSProp(o.LR, 0.99, 1e-8, o.WeightDecay, o.Momentum, false)
	}
	return torch.SGD(o.LR, o.Momentum, 0, o.WeightDecay, o.Nesterov)
}

// openOptimizer makes the optimizer and its groups: for what is frozen at first and
// what is not, each with and without weight decay. Their number and order depend on
// the configuration only, so a checkpoint's optimizer fits.
func (r *run) openOptimizer() {
	r.opt = r.cfg.Optim.newOptimizer()
	frozen := r.frozenParameters()
	var groups [2][2][]torch.Tensor // [frozen][without decay]
	for _, p := range r.net.Parameters() {
		cold, free := 0, 0
		if frozen[(*byte)(*p.T)] {
			cold = 1
		}
		if !r.cfg.Optim.NormWeightDecay && p.Dim() <= 1 {
			free = 1
		}
		groups[cold][free] = append(groups[cold][free], p)
	}
	r.opt.AddParameters(groups[0][0])
	r.ratios = []float64{1}
	for cold, ratio := range []float64{1, r.cfg.Freeze.LRRatio} {
		for free, parameters := range groups[cold] {
			if cold+free == 0 || len(parameters) == 0 {
				continue
			}
			g := r.opt.AddParameterGroup(parameters)
			if free == 1 {
				g.WeightDecay = 0
			}
			r.ratios = append(r.ratios, ratio)
		}
	}
}

// setLR sets the groups' learning rates for the step at hand and returns the first's.
func (r *run) setLR() float64 {
	lr := r.lrAt(r.at.Step)
	lrs := make([]float64, len(r.ratios))
	for i, ratio := range r.ratios {
		lrs[i] = lr * ratio
	}
	r.opt.SetLRs(lrs)
	return lr
}

func (r *run) lrAt(step int) float64 {
	lr := r.cfg.Optim.LR * r.schedule.At(1, step) * r.at.Plateau.factor()
	return r.cfg.SWA.anneal(lr, step, r.steps, r.stepsPerEpoch())
}

// newSchedule returns the factor of the learning rate as a curve over a run of so many
// steps; see Optim.Schedule.
func (o *Optim) newSchedule(steps, perEpoch int) lrscheduler.Schedule {
	if o.Schedule == "one_cycle" {
		return lrscheduler.OneCycleLR{TotalSteps: steps, PctStart: max(o.WarmUp, 1e-9), KeepMomentum: true}
	}
	warm := int(o.WarmUp * float64(steps))
	var main lrscheduler.Schedule
	switch o.Schedule {
	case "cosine":
		main = lrscheduler.CosineAnnealingLR{TMax: max(1, steps-1-warm), EtaMin: o.MinLR}
	case "step":
		main = lrscheduler.StepLR{StepSize: o.StepSize * perEpoch, Gamma: o.Gamma}
	case "exponential":
		epochs := lrscheduler.ExponentialLR{Gamma: o.Gamma}
		main = lrscheduler.LambdaLR(func(step int) float64 { return epochs.At(1, step/perEpoch) })
	default: // constant, and plateau's own factor comes on top
		main = lrscheduler.LambdaLR(func(int) float64 { return 1 })
	}
	if warm == 0 {
		return main
	}
	return lrscheduler.SequentialLR{
		Schedules:  []lrscheduler.Schedule{lrscheduler.LinearLR{StartFactor: max(o.StartRatio, 1e-9), EndFactor: 1, TotalIters: warm}, main},
		Milestones: []int{warm},
	}
}

// plateau is the factor that a plateau schedule has come to, and what it needs to go
// on: the JSON of a checkpoint.
type plateau struct {
	Factor float64                  `json:"factor"`
	State  lrscheduler.PlateauState `json:"state"`
}

func (p *plateau) factor() float64 {
	if p == nil {
		return 1
	}
	return p.Factor
}

// LRs, SetLRs and SetMomentum make the factor what a scheduler drives.
func (p *plateau) LRs() []float64       { return []float64{p.Factor} }
func (p *plateau) SetLRs(lrs []float64) { p.Factor = lrs[0] }
func (p *plateau) SetMomentum(float64)  {}

// watchPlateau lowers the factor after a validation when the loss has stopped to fall.
func (r *run) watchPlateau(loss float64) error {
	o := &r.cfg.Optim
	if o.Schedule != "plateau" {
		return nil
	}
	fresh := r.at.Plateau == nil
	if fresh {
		r.at.Plateau = &plateau{Factor: 1}
	}
	s, err := lrscheduler.NewReduceLROnPlateau(r.at.Plateau, lrscheduler.PlateauOptions{
		Patience: o.Patience, Threshold: 1e-4, Factor: o.Gamma, MinLR: o.MinLR,
	})
	if err != nil {
		return fmt.Errorf("cannot watch for a plateau: %w", err)
	}
	if !fresh {
		if err := s.Restore(r.at.Plateau.State); err != nil {
			return fmt.Errorf("cannot watch for a plateau: %w", err)
		}
	}
	s.Step(loss)
	r.at.Plateau.State = s.State()
	return nil
}
