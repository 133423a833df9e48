package torch_test

import (
	"fmt"
	"math"

	"github.com/torchlit/torchlit/torch"
)

func ExampleOptimizer() {
	// Which weights make w·x equal to y?
	x := torch.FromSlice([]float32{1, 2, 3, 4, 0, 1}, 3, 2)
	y := torch.FromSlice([]float32{0.5, 2.5, -0.5}, 3, 1)
	w := torch.Full([]int64{2, 1}, 0, true)
	defer w.Close()

	opt := torch.AdamW(0.1, 0.9, 0.999, 0)
	defer opt.Close()
	opt.AddParameters([]torch.Tensor{w})
	var first, last float64
	for step := range 500 {
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			miss := torch.Sub(torch.MM(x, w), y, 1)
			loss := torch.Mean(torch.Mul(miss, miss))
			loss.Backward()
			torch.ClipGradNorm([]torch.Tensor{w}, 1, 2)
			opt.Step()
			opt.ZeroGrad()
			last = loss.Float64()
			if step == 0 {
				first = last
			}
		})
	}
	fmt.Printf("loss %.4f → %.4f\n", first, last)
	// Output: loss 2.2500 → 0.0000
}

func ExampleOptimizer_AddParameterGroup() {
	weight := torch.RandN([]int64{4, 3}, true)
	bias := torch.RandN([]int64{4}, true)
	opt := torch.SGD(0.1, 0.9, 0, 5e-4, true)
	defer opt.Close()
	opt.AddParameters([]torch.Tensor{weight})
	opt.AddParameterGroup([]torch.Tensor{bias}).WeightDecay = 0
	for _, g := range opt.Groups() {
		fmt.Println(len(g.Parameters()), g.LR, g.WeightDecay)
	}
	// Output:
	// 1 0.1 0.0005
	// 1 0.1 0
}

func ExampleGradScaler() {
	w := torch.Full([]int64{2}, 1, true)
	opt := torch.SGD(0.1, 0, 0, 0, false)
	defer opt.Close()
	opt.AddParameters([]torch.Tensor{w})
	scaler := torch.NewGradScaler(torch.GradScalerOptions{InitScale: 8})
	defer scaler.Close()

	for _, x := range []float32{1, float32(math.Inf(1)), 2} {
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			loss := torch.Sum(torch.Mul(w, torch.Full([]int64{2}, x, false)))
			scaler.Scale(loss).Backward()
			stepped := scaler.Step(opt)
			scaler.Update()
			opt.ZeroGrad()
			fmt.Printf("stepped: %v, w: %.1f, scale: %v\n", stepped, torch.Slice[float32](w), scaler.CurrentScale())
		})
	}
	// Output:
	// stepped: true, w: [0.9 0.9], scale: 8
	// stepped: false, w: [0.9 0.9], scale: 4
	// stepped: true, w: [0.7 0.7], scale: 4
}
