package transforms

import (
	"image"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/vision"
)

// ToTensorTransformer makes tensors of pictures and integers.
type ToTensorTransformer struct{}

// ToTensor makes a tensor on the CPU: of pictures one of float32, the bytes
// divided by 255; see Run for shapes.
func ToTensor() *ToTensorTransformer { return &ToTensorTransformer{} }

// Run makes a tensor of obj. The caller owns it.
//
//	*vision.Image                [3, height, width]     R, G, B
//	Gray                         [height, width]
//	*image.Gray, *image.Gray16   [height, width]
//	any other image.Image        [3, height, width]     without alpha
//	[]*vision.Image              [n, 3, height, width]  all of one size
//	[]Gray                       [n, 1, height, width]  all of one size
//	int                          [1], of torch.Int
//
// Of 16-bit samples only the high byte counts. Run panics with a *torch.Error
// for everything else, and for pictures without pixels.
func (t ToTensorTransformer) Run(obj interface{}) torch.Tensor {
	switch v := obj.(type) {
	case *vision.Image:
		return colorTensor(v)
	case Gray:
		return grayTensor(v.Image)
	case *image.Gray, *image.Gray16:
		m := vision.FromImage(v.(image.Image))
		defer m.Release()
		return grayTensor(m)
	case image.Image:
		m := vision.FromImage(v)
		defer m.Release()
		return colorTensor(m)
	case []*vision.Image:
		values, first := planes(v, 3)
		return torch.FromSlice(values, int64(len(v)), 3, int64(first.Height), int64(first.Width))
	case []Gray:
		images := make([]*vision.Image, len(v))
		for i, g := range v {
			images[i] = g.Image
		}
		values, first := planes(images, 1)
		return torch.FromSlice(values, int64(len(v)), 1, int64(first.Height), int64(first.Width))
	case int:
		return torch.FromSlice([]int32{int32(v)}, 1)
	}
	refuse("ToTensor", "cannot make a tensor of a %T", obj)
	return torch.Tensor{}
}

func colorTensor(m *vision.Image) torch.Tensor {
	values, _ := planes([]*vision.Image{m}, 3)
	return torch.FromSlice(values, 3, int64(m.Height), int64(m.Width))
}

func grayTensor(m *vision.Image) torch.Tensor {
	values, _ := planes([]*vision.Image{m}, 1)
	return torch.FromSlice(values, int64(m.Height), int64(m.Width))
}

// planes lays images out one after the other, each as planes of one channel. It
// takes the first channels of each pixel.
func planes(images []*vision.Image, channels int) (values []float32, first *vision.Image) {
	if len(images) == 0 {
		refuse("ToTensor", "there are no pictures in the batch")
	}
	first = images[0]
	checkImage("ToTensor", first)
	var unit [256]float32
	for v := range unit {
		unit[v] = float32(v) / 255 // as torchvision: times 1/255 differs in the last bit
	}
	area := first.Width * first.Height
	values = make([]float32, len(images)*channels*area)
	plane := values
	for _, m := range images {
		checkImage("ToTensor", m)
		if m.Width != first.Width || m.Height != first.Height {
			refuse("ToTensor", "the pictures of the batch differ in size, %d x %d and %d x %d pixels: Resize or crop them first",
				first.Width, first.Height, m.Width, m.Height)
		}
		for c := range channels {
			for i := range plane[:area] {
				plane[i] = unit[m.Pix[3*i+c]]
			}
			plane = plane[area:]
		}
	}
	return values, first
}
