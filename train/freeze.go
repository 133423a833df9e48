package train

import "github.com/torchlit/torchlit/torch/vision/resnet"

// frozenParameters is the set of the parameters that Freeze names.
func (r *run) frozenParameters() map[*byte]bool {
	set := map[*byte]bool{}
	for _, s := range r.net.Stages()[:r.cfg.Freeze.Stages] {
		for _, p := range s.Parameters() {
			set[(*byte)(*p.T)] = true
		}
	}
	return set
}

// trainMode puts the network into training mode, all but what is frozen in the epoch
// at hand.
func (r *run) trainMode() error {
	f := r.cfg.Freeze
	n := f.Stages
	if f.Until > 0 && r.at.Epoch >= f.Until {
		n = 0
	}
	if n != r.net.Frozen() {
		if err := r.net.Freeze(n); err != nil {
			return err
		}
		if err := r.watchGradients(); err != nil {
			return err
		}
	}
	r.net.Train(true)
	return nil
}

// thaws tells whether the epoch at hand is the first in which all is trained.
func (r *run) thaws() bool {
	f := r.cfg.Freeze
	return f.Stages > 0 && f.Until > 0 && r.at.Epoch == f.Until && r.at.Batch == 0
}

const freezable = resnet.Backbone
