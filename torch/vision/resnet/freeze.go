package resnet

import (
	"fmt"
	"strconv"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
)

// Stage is a part of a network that can be frozen.
type Stage struct {
	Name    string // "stem", "layer1" to "layer4", "fc"
	modules []nn.IModule
}

// Parameters returns the stage's parameters, borrowed from the network.
func (s Stage) Parameters() []torch.Tensor {
	var list []torch.Tensor
	for _, m := range s.modules {
		list = append(list, parameters(m)...)
	}
	return list
}

func parameters(m nn.IModule) []torch.Tensor {
	return m.(interface{ Parameters() []torch.Tensor }).Parameters()
}

// Stages returns the network's parts from the image to the classifier: the stem,
// the four stages of blocks, and "fc".
func (n *Net) Stages() []Stage {
	stages := []Stage{{Name: "stem"}}
	for _, c := range n.Stem {
		stages[0].modules = append(stages[0].modules, c)
	}
	blocks := n.spec.Blocks()
	for i, b := range n.Blocks {
		if stage := blocks[i].Stage; stage == len(stages) {
			stages = append(stages, Stage{Name: "layer" + strconv.Itoa(stage)})
		}
		last := &stages[len(stages)-1]
		last.modules = append(last.modules, b)
	}
	return append(stages, Stage{Name: "fc", modules: []nn.IModule{n.FC}})
}

// Backbone is the number of Stages without the classifier: Freeze(Backbone)
// leaves that alone to be trained.
const Backbone = 5

// Freeze stops the training of the first stages, 0 to [Backbone], and lets the
// others train. A frozen stage's parameters require no gradient, so that no
// backward pass is computed for them, and its batch normalisation stays in
// evaluation: its statistics do not move, whatever [Net.Train] is told.
func (n *Net) Freeze(stages int) error {
	if stages < 0 || stages > Backbone {
		return fmt.Errorf("cannot freeze %d stages: give 0 for none to %d for all but the classifier", stages, Backbone)
	}
	for i, s := range n.Stages() {
		for _, p := range s.Parameters() {
			p.SetRequiresGrad(i >= stages)
		}
	}
	n.frozen = stages
	n.Train(n.IsTraining())
	return nil
}

// Frozen returns how many stages are frozen.
func (n *Net) Frozen() int { return n.frozen }

// Trainable returns the parameters that are not frozen, in the order of
// Parameters, borrowed: those that an optimizer should be given.
func (n *Net) Trainable() []torch.Tensor {
	var list []torch.Tensor
	for _, s := range n.Stages()[n.frozen:] {
		list = append(list, s.Parameters()...)
	}
	return list
}

// Train implements nn.IModule. Frozen stages stay in evaluation.
func (n *Net) Train(on bool) {
	n.Module.Train(on)
	for _, s := range n.Stages()[:n.frozen] {
		for _, m := range s.modules {
			m.Train(false)
		}
	}
}
