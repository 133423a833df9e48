package torch_test

import (
	"fmt"

	"github.com/torchlit/torchlit/torch"
)

func Example() {
	torch.ManualSeed(1)
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		x := torch.Linspace(-1, 1, 64, false).View(64, 1)
		y := x.MulScalar(3).AddScalar(0.5) // what there is to learn
		w := torch.RandN([]int64{1, 1}, true)
		b := torch.Zeros([]int64{1}, true)
		opt := torch.SGD(0.5, 0, 0, 0, false)
		defer opt.Close()
		opt.AddParameters([]torch.Tensor{w, b})
		for range 200 {
			opt.ZeroGrad()
			loss := torch.MSELoss(torch.Add(torch.MM(x, w), b, 1), y, torch.ReduceMean)
			loss.Backward()
			opt.Step()
		}
		fmt.Printf("w = %.3f, b = %.3f\n", w.Item(), b.Item())
	})
	// Output: w = 3.000, b = 0.500
}

func ExampleTensor() {
	a := torch.NewTensor([][]float32{{1, 2, 3}, {4, 5, 6}})
	defer a.Close()
	fmt.Println(a.Shape(), a.Dim(), a.Dtype() == torch.Float)
	fmt.Println(torch.Slice[float32](a))

	b := a.Transpose(0, 1) // the same memory
	defer b.Close()
	b.MulScalarI(10)
	fmt.Println(a)
	// Output:
	// [2 3] 2 true
	// [1 2 3 4 5 6]
	// tensor([[10., 20., 30.],
	//         [40., 50., 60.]])
}

// Operands of unlike shapes are broadcast, as in PyTorch.
func ExampleAdd() {
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		column := torch.FromSlice([]float32{0, 10, 20}, 3, 1)
		row := torch.FromSlice([]float32{1, 2}, 2)
		fmt.Println(torch.Add(column, row, 1))
	})
	// Output:
	// tensor([[ 1.,  2.],
	//         [11., 12.],
	//         [21., 22.]])
}

func ExampleTensor_Backward() {
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		w := torch.FromSlice([]float32{1, 2, 3}, 3)
		w.SetRequiresGrad(true)
		w.Square().Sum().Backward() // the gradient of Σ w² is 2w
		fmt.Println(w.Grad())
	})
	// Output: tensor([2., 4., 6.])
}

func ExampleGradOf() {
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		x := torch.Full([]int64{}, 3, true)
		cube := x.PowScalar(3)
		first := torch.GradOf([]torch.Tensor{cube}, []torch.Tensor{x}, torch.GradOptions{CreateGraph: true})[0]
		second := torch.GradOf([]torch.Tensor{first}, []torch.Tensor{x})[0]
		fmt.Println(first.Item(), second.Item()) // 3x² and 6x
	})
	// Output: 27 18
}

// All that a step makes is freed at its end, but for what it keeps.
func ExampleScope() {
	var x, mean torch.Tensor
	torch.Scope(func(keep func(torch.Tensor) torch.Tensor) {
		x = torch.Arange(0, 10, 1, false)
		mean = keep(x.Square().Mean())
	})
	defer mean.Close()
	fmt.Println(mean.Item())
	fmt.Println(torch.Try(func() { x.Shape() }))
	// Output:
	// 28.5
	// torch: the tensor is closed
}

func ExampleTry() {
	a, b := torch.Ones([]int64{2, 3}, false), torch.Ones([]int64{2, 3}, false)
	defer a.Close()
	defer b.Close()
	err := torch.Try(func() { torch.MM(a, b) })
	fmt.Println(err)

	_, err = torch.TryMM(a, b) // the same of one operator
	fmt.Println(err)
	// Output:
	// aten::mm: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)
	// aten::mm: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)
}

func ExampleTensor_Index() {
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		a := torch.Arange(0, 12, 1, false).View(3, 4)
		fmt.Println(a.Index(1, -1).Item())                                              // a[1, -1]
		fmt.Println(a.Index(-1))                                                        // a[-1]
		fmt.Println(a.SliceDim(1, 1, 4, 2))                                             // a[:, 1:4:2]
		fmt.Println(a.MaskedSelect(a.GtScalar(8)))                                      // a[a > 8]
		rows, columns := torch.NewTensor([]int64{0, 2}), torch.NewTensor([]int64{3, 0}) // a[[0, 2], [3, 0]]
		fmt.Println(a.IndexTensors([]torch.Tensor{rows, columns}))
	})
	// Output:
	// 7
	// tensor([ 8.,  9., 10., 11.])
	// tensor([[ 1.,  3.],
	//         [ 5.,  7.],
	//         [ 9., 11.]])
	// tensor([ 9., 10., 11.])
	// tensor([3., 8.])
}

func ExampleEinsum() {
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		a := torch.FromSlice([]float32{1, 2, 3, 4}, 2, 2)
		fmt.Println(torch.Einsum("ij,ij->i", a, a)) // the sums of squares of the rows
	})
	// Output: tensor([ 5., 25.])
}

// Whoever draws from a Generator of its own is not disturbed by others.
func ExampleGenerator() {
	g := torch.NewGenerator(torch.Device{})
	defer g.Close()
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		g.ManualSeed(7)
		a := torch.RandPerm(100, torch.Options{Generator: g})
		torch.RandN([]int64{1000}, false) // from the default generator
		g.ManualSeed(7)
		b := torch.RandPerm(100, torch.Options{Generator: g})
		fmt.Println(torch.Equal(a, b))
	})
	// Output: true
}

func ExampleNoGrad() {
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		w := torch.Ones([]int64{2}, true)
		torch.NoGrad(func() { fmt.Println(w.Mul(w).RequiresGrad()) })
		fmt.Println(w.Mul(w).RequiresGrad())
	})
	// Output:
	// false
	// true
}

func ExampleOptions() {
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		long := torch.Options{DType: torch.DType(torch.Long)}
		fmt.Println(torch.ArangeWith(10, 0, -3, long))
		fmt.Println(torch.EyeWith(2, 2, torch.Options{DType: torch.DType(torch.Double)}))
	})
	// Output:
	// tensor([10,  7,  4,  1])
	// tensor([[1., 0.],
	//         [0., 1.]], dtype=torch.float64)
}
