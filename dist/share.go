package dist

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
)

// BroadcastParameters overwrites all the tensors, such as a network's parameters and
// buffers, by rank 0's, so that all ranks begin with the same. On a later call, before a
// validation or a checkpoint, it makes the buffers that each rank has moved by its own
// batches (running statistics) the same again.
func BroadcastParameters(group Group, lists ...[]torch.Tensor) error {
	for _, list := range lists {
		if len(list) == 0 {
			continue
		}
		var err error
		torch.NoGrad(func() { err = group.Broadcast(0, list...) })
		if err != nil {
			return fmt.Errorf("cannot share the parameters of rank 0: %w", err)
		}
	}
	return nil
}

// Sum adds each of the numbers up over all ranks, in place and in the order of the
// ranks: counts of right answers, sums of losses. The mean of means of different counts
// is not the mean; sum both and divide.
func Sum(group Group, numbers ...*float64) error {
	if group.Size() == 1 {
		return nil
	}
	mine := make([]byte, 0, 8*len(numbers))
	for _, n := range numbers {
		mine = binary.LittleEndian.AppendUint64(mine, math.Float64bits(*n))
	}
	all, err := group.AllGather(mine)
	if err != nil {
		return fmt.Errorf("cannot add up %d numbers over the ranks: %w", len(numbers), err)
	}
	for rank, values := range all {
		if len(values) != len(mine) {
			return fmt.Errorf("cannot add up %d numbers over the ranks: rank %d has %d", len(numbers), rank, len(values)/8)
		}
	}
	for i, n := range numbers {
		*n = 0
		for _, values := range all {
			*n += math.Float64frombits(binary.LittleEndian.Uint64(values[8*i:]))
		}
	}
	return nil
}

// SyncBatchNorm makes the batch normalisations of a module use the statistics of all
// ranks' batches in training; see [nn.ConvertSyncBatchNorm]. It is worth its exchanges
// when a rank has few images a batch. Call stop after the last backward pass; the module
// is then as it was.
func SyncBatchNorm(group Group, module nn.IModule) (stop func(), err error) {
	if group.Size() == 1 {
		return func() {}, nil
	}
	lane, err := group.Duplicate()
	if err != nil {
		return nil, fmt.Errorf("cannot synchronise batch normalisation: %w", err)
	}
	undo, err := nn.ConvertSyncBatchNorm(module, lane)
	if err != nil {
		lane.Close()
		return nil, err
	}
	return func() {
		lane.Close() // ends an exchange under way, which undo would wait for
		undo()
	}, nil
}
