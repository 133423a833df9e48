package lrscheduler_test

import (
	"fmt"

	"github.com/torchlit/torchlit/torch/lrscheduler"
)

// A warm-up of three steps, then a cosine to nothing within the six that remain.
func Example() {
	opt := &groups{lrs: []float64{0.1}} // a torch.Optimizer in a program
	scheduler, err := lrscheduler.New(opt, lrscheduler.SequentialLR{
		Schedules: []lrscheduler.Schedule{
			lrscheduler.LinearLR{StartFactor: 0.25, EndFactor: 1, TotalIters: 3},
			lrscheduler.CosineAnnealingLR{TMax: 6},
		},
		Milestones: []int{3},
	})
	if err != nil {
		panic(err)
	}
	for range 9 {
		fmt.Printf("%.3f ", opt.lrs[0])
		// loss.Backward(); opt.Step(); opt.ZeroGrad()
		scheduler.Step()
	}
	// Output: 0.025 0.050 0.075 0.100 0.093 0.075 0.050 0.025 0.007
}

func ExampleReduceLROnPlateau() {
	opt := &groups{lrs: []float64{0.1}}
	scheduler, err := lrscheduler.NewReduceLROnPlateau(opt, lrscheduler.PlateauOptions{Patience: 1})
	if err != nil {
		panic(err)
	}
	for _, loss := range []float64{3, 2, 2.5, 2.4, 1.9} {
		if scheduler.Step(loss) {
			fmt.Printf("a loss of %v: reduced to %.3g\n", loss, opt.lrs[0])
		}
	}
	// Output: a loss of 2.4: reduced to 0.01
}
