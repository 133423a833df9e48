package nn

import (
	"strings"

	"github.com/torchlit/torchlit/torch"
)

// TorchStateDict returns all parameters and buffers of a module by the names that
// PyTorch would give them, borrowed. They are paths of fields in snake case, and
// places in slices:
//
//	RunningMean       running_mean
//	Layers[0].FC      layers.0.fc
//	SequentialModule  0.weight (the slice's field itself is not named)
//
// A field tagged `torch:"name"` has that name instead. In the name of a slice, %d
// stands for the place, and the name "." leaves nothing but the place.
//
// It is what torch.nn.Module.load_state_dict takes in Python, once it has been saved
// by [torch.SaveSafetensors] or [torch.SaveDict]. The counters num_batches_tracked of batch
// normalisation are left out: PyTorch does without them, but for a momentum of None.
func TorchStateDict(module IModule) map[string]torch.Tensor {
	state := map[string]torch.Tensor{}
	for _, e := range entriesOf(module) {
		state[e.torchName()] = e.tensor
	}
	return state
}

// SetTorchStateDict copies values by PyTorch's names into a module's own tensors,
// converted to their device and dtype; state stays the caller's. A name that is
// missing, that the module does not have, or a shape that differs is an error, and
// then nothing is copied. Counters num_batches_tracked are passed over.
func SetTorchStateDict(module IModule, state map[string]torch.Tensor) error {
	return setState(structOf(module).Type().String(), entriesOf(module), entry.torchName, state, func(key string) bool {
		return key == "num_batches_tracked" || strings.HasSuffix(key, ".num_batches_tracked")
	})
}
