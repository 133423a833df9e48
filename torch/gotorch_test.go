package torch_test

// What a program written for gotorch relies on: the names and signatures of its
// packages, which this file holds the compiler to, and a program in its manner.

import (
	"archive/tar"
	"bytes"
	"encoding/gob"
	"image"
	"image/color"
	"image/png"
	"io"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
	F "github.com/torchlit/torchlit/torch/nn/functional"
	"github.com/torchlit/torchlit/torch/nn/initializer"
	"github.com/torchlit/torchlit/torch/tool/tgz"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/variadic"
	"github.com/torchlit/torchlit/torch/vision"
	"github.com/torchlit/torchlit/torch/vision/imageloader"
	"github.com/torchlit/torchlit/torch/vision/models"
	"github.com/torchlit/torchlit/torch/vision/transforms"
)

type (
	sizes        = []int64
	optionList   = []map[string]interface{}
	unaryOp      = func(tensor) tensor
	binaryOp     = func(a, b tensor) tensor
	scaledOp     = func(a, other tensor, alpha float32) tensor
	filledTensor = func(size sizes, requiresGrad bool) tensor
	sequenceOf   = func(begin, end, step float32, requiresGrad bool) tensor
)

// Package gotorch.
var (
	_ = [...]int8{torch.Invalid, torch.Byte, torch.Char, torch.Short, torch.Int, torch.Long, torch.Half, torch.Float, torch.Double,
		torch.ComplexHalf, torch.ComplexFloat, torch.ComplexDouble, torch.Bool, torch.QInt8, torch.QUInt8, torch.QInt32, torch.BFloat16}
	_ = torch.Tensor{T: (*unsafe.Pointer)(nil)}
	_ = torch.Optimizer{Opt: nil}

	_ func(string) torch.Device                                 = torch.NewDevice
	_ func() bool                                               = torch.IsCUDAAvailable
	_ func() bool                                               = torch.IsCUDNNAvailable
	_ func(int32)                                               = torch.SetNumThreads
	_ func(torch.Device) torch.CUDAStream                       = torch.GetCurrentCUDAStream
	_ func(torch.CUDAStream)                                    = torch.SetCurrentCUDAStream
	_ func(torch.Device) torch.CUDAStream                       = torch.NewCUDAStream
	_ func(torch.CUDAStream) bool                               = torch.CUDAStream.Query
	_ func(torch.CUDAStream)                                    = torch.CUDAStream.Synchronize
	_ func(lr, m, d, wd float64, nesterov bool) torch.Optimizer = torch.SGD
	_ func(lr, beta1, beta2, wd float64) torch.Optimizer        = torch.Adam
	_ func(torch.Optimizer, []tensor)                           = torch.Optimizer.AddParameters
	_ func(torch.Optimizer)                                     = torch.Optimizer.ZeroGrad
	_ func(torch.Optimizer)                                     = torch.Optimizer.Step
	_ func(torch.Optimizer, float64)                            = torch.Optimizer.SetLR
	_ func(torch.Optimizer)                                     = torch.Optimizer.Close
	_ [4]filledTensor                                           = [...]filledTensor{torch.RandN, torch.Rand, torch.Empty, torch.Ones}
	_ func(n, m int64, rg bool) tensor                          = torch.Eye
	_ func(sizes, float32, bool) tensor                         = torch.Full
	_ sequenceOf                                                = torch.Arange
	_ func(begin, end float32, steps int64, rg bool) tensor     = torch.Linspace
	_ func(float32, float32, int64, float64, bool) tensor       = torch.Logspace
	_ func(interface{}, ...options) tensor                      = torch.NewTensor
	_ func(unsafe.Pointer, int8, []int64) tensor                = torch.FromBlob
	_ func(string) tensor                                       = func(path string) tensor { return torch.Load(path) } // it takes a device, too
	_ [2]scaledOp                                               = [...]scaledOp{torch.Add, torch.Sub}
	_ [5]binaryOp                                               = [...]binaryOp{torch.Mul, torch.Div, torch.Eq, torch.ExpandAs, torch.MM}
	_ func(a, b tensor) bool                                    = torch.Equal
	_ func(a, b tensor) bool                                    = torch.AllClose
	_ func(tensor, int64, int64) tensor                         = torch.Flatten
	_ func(tensor, int64, tensor) tensor                        = torch.IndexSelect
	_ func(tensor, float64) tensor                              = torch.LeakyRelu
	_ func(tensor, int64) tensor                                = torch.LogSoftmax
	_ [4]unaryOp                                                = [...]unaryOp{torch.Mean, torch.Relu, torch.Sigmoid, torch.Tanh}
	_ func([]tensor, int64) tensor                              = torch.Stack
	_ func(tensor, ...int64) tensor                             = torch.Squeeze
	_ func(tensor, ...options) tensor                           = torch.Sum
	_ func(tensor, int64, int64, bool, bool) (a, b tensor)      = torch.TopK
	_ func(tensor, int64, int64) tensor                         = torch.Transpose
	_ func(tensor, ...int64) tensor                             = torch.View
	_ func(tensor, torch.Device, int8) tensor                   = torch.To
	_ func(*tensor) tensor                                      = (*torch.Tensor).Detach
	_ func(*tensor, tensor, float32) tensor                     = (*torch.Tensor).Add
	_ func(*tensor, tensor, float32) tensor                     = (*torch.Tensor).AddI
	_ func(*tensor, tensor, float32) tensor                     = (*torch.Tensor).Sub
	_ func(*tensor, tensor, float32) tensor                     = (*torch.Tensor).SubI
	_ func(*tensor, tensor) tensor                              = (*torch.Tensor).Mul
	_ func(*tensor, tensor) tensor                              = (*torch.Tensor).MulI
	_ func(*tensor, tensor) tensor                              = (*torch.Tensor).Div
	_ func(*tensor, tensor) tensor                              = (*torch.Tensor).DivI
	_ func(*tensor, []int64) tensor                             = (*torch.Tensor).Permute
	_ func(*tensor, float64) tensor                             = (*torch.Tensor).LeakyRelu
	_ func(*tensor) tensor                                      = (*torch.Tensor).Relu
	_ func(*tensor, []byte) error                               = (*torch.Tensor).GobDecode
	_ func(tensor) ([]byte, error)                              = torch.Tensor.GobEncode
	_ func(tensor) string                                       = torch.Tensor.String
	_ func(tensor)                                              = torch.Tensor.Print
	_ func(tensor, string)                                      = torch.Tensor.Save
	_ func(tensor) int64                                        = torch.Tensor.Dim
	_ func(tensor) []int64                                      = torch.Tensor.Shape
	_ func(tensor) int8                                         = torch.Tensor.Dtype
	_ func(tensor)                                              = torch.Tensor.Backward
	_ func(tensor) tensor                                       = torch.Tensor.Grad
	_ func(tensor, torch.Device, ...int8) tensor                = torch.Tensor.To
	_ func(tensor, torch.Device, bool) tensor                   = torch.Tensor.CUDA
	_ func(tensor, int8) tensor                                 = torch.Tensor.CastTo
	_ func(tensor, torch.Device) tensor                         = torch.Tensor.CopyTo
	_ func(tensor) tensor                                       = torch.Tensor.PinMemory
	_ func(tensor, tensor)                                      = torch.Tensor.SetData
	_ func(tensor, ...int64) tensor                             = torch.Tensor.Index
	_ func(tensor, tensor) tensor                               = torch.Tensor.Eq
	_ func(tensor, tensor) tensor                               = torch.Tensor.ExpandAs
	_ func(tensor, int64, tensor) tensor                        = torch.Tensor.IndexSelect
	_ func(tensor) interface{}                                  = torch.Tensor.Item
	_ func(tensor, int64) tensor                                = torch.Tensor.LogSoftmax
	_ [3]unaryOp                                                = [...]unaryOp{torch.Tensor.Mean, torch.Tensor.Sigmoid, torch.Tensor.Tanh}
	_ func(tensor, ...int64) tensor                             = torch.Tensor.Squeeze
	_ func(tensor, ...options) tensor                           = torch.Tensor.Sum
	_ func(tensor, int64, int64) tensor                         = torch.Tensor.Transpose
	_ func(tensor, ...int64) tensor                             = torch.Tensor.View
	_ func(tensor, ...interface{}) tensor                       = torch.Tensor.Argmin
	_ func(tensor, ...interface{}) tensor                       = torch.Tensor.Argmax
	_ [2]func()                                                 = [...]func(){torch.GC, torch.FinishGC}
	_ func(*unsafe.Pointer)                                     = torch.SetTensorFinalizer
	_ func(unsafe.Pointer)                                      = torch.MustNil
	_ func(optionList, string) bool                             = variadic.Has
	_ func(optionList, string, ...interface{}) interface{}      = variadic.Get
	_ func(optionList, string) (interface{}, bool)              = variadic.Lookup
)

// Packages nn, nn/functional and nn/initializer.
var (
	_ interface {
		nn.IModule
		Outer() nn.IModule
		NamedParameters() map[string]tensor
		NamedBuffers() map[string]tensor
		Parameters() []tensor
		Buffers() []tensor
	} = (*nn.Module)(nil)
	_ interface {
		Train(bool)
		IsTraining() bool
		To(torch.Device, ...int8)
		StateDict() map[string]tensor
		SetStateDict(map[string]tensor) error
		Apply(func(nn.IModule))
		Name() string
	} = nn.IModule(nil)

	_ func(in, out int64, bias bool) *nn.LinearModule                                                = nn.Linear
	_ func(in, out, k, s, p, d, g int64, bias bool, mode string) *nn.Conv2dModule                    = nn.Conv2d
	_ func(in, out, k, s, p, op, g int64, bias bool, d int64, mode string) *nn.ConvTranspose2dModule = nn.ConvTranspose2d
	_ func(n int64, eps, momentum float64, affine, track bool) *nn.BatchNorm2dModule                 = nn.BatchNorm2d
	_ func(...nn.IModule) *nn.SequentialModule                                                       = nn.Sequential
	_ func(*nn.SequentialModule, ...interface{}) interface{}                                         = (*nn.SequentialModule).Forward
	_ func(func(tensor) tensor) *nn.FunctionalModule                                                 = nn.Functional

	_ func(in, mean, variance, w, b tensor, training bool, momentum, eps float64) tensor = F.BatchNorm
	_ func(in, w, b tensor, stride, padding, dilation []int64, groups int64) tensor      = F.Conv2d
	_ func(in, w, b tensor, s, p, op []int64, g int64, d []int64) tensor                 = F.ConvTranspose2d
	_ func(tensor, int64) tensor                                                         = F.LogSoftmax
	_ func(in, target, weight tensor, ignore int64, reduction string) tensor             = F.NllLoss
	_ func(in, target, weight tensor, ignore int64, reduction string) tensor             = F.CrossEntropy
	_ func(in, target, weight tensor, reduction string) tensor                           = F.BinaryCrossEntropy
	_ func(tensor, bool) tensor                                                          = F.Relu
	_ func(tensor, float64, bool) tensor                                                 = F.LeakyRelu
	_ func(in, w, b tensor) tensor                                                       = F.Linear
	_ func(in tensor, k, s, p, d []int64, ceil bool) tensor                              = F.MaxPool2d
	_ func(tensor, []int64) tensor                                                       = F.AdaptiveAvgPool2d

	_ func(int64)                            = initializer.ManualSeed
	_ [2]func(*tensor)                       = [...]func(*tensor){initializer.Zeros, initializer.Ones}
	_ [2]func(*tensor, float64, float64)     = [...]func(*tensor, float64, float64){initializer.Uniform, initializer.Normal}
	_ func(*tensor, float64, string, string) = initializer.KaimingUniform
	_ func(tensor) (fanIn, fanOut int64)     = initializer.CalculateFanInAndFanOut
)

// Packages below vision and tool.
var (
	_ func(w, h int, c color.Color) image.Image                                                                                     = vision.SynthesizeImage
	_ func(io.Writer) *vision.Synthesizer                                                                                           = vision.NewSynthesizer
	_ func() *models.MLPModule                                                                                                      = models.MLP
	_ func(reflect.Type, []int64, int64, bool, int64, int64) *models.ResnetModule                                                   = models.Resnet
	_ [2]func() *models.ResnetModule                                                                                                = [...]func() *models.ResnetModule{models.Resnet18, models.Resnet50}
	_ func(string) (map[string]int, error)                                                                                          = imageloader.BuildLabelVocabularyFromTgz
	_ func(string, map[string]int, *transforms.ComposeTransformer, int, int, int64, bool, string) (*imageloader.ImageLoader, error) = imageloader.New
	_ func(*imageloader.ImageLoader) bool                                                                                           = (*imageloader.ImageLoader).Scan
	_ func(*imageloader.ImageLoader) (tensor, tensor)                                                                               = (*imageloader.ImageLoader).Minibatch
	_ func(*imageloader.ImageLoader) error                                                                                          = (*imageloader.ImageLoader).Err
	_                                                                                                                               = [...]string{imageloader.RGB, imageloader.GRAY}
	_ func(string) (*tgz.Reader, error)                                                                                             = tgz.OpenFile
	_ func(io.Reader) (*tgz.Reader, error)                                                                                          = tgz.NewReader
	_ func(string) (*tgz.Writer, error)                                                                                             = tgz.CreateFile
	_ func(io.Writer) *tgz.Writer                                                                                                   = tgz.NewWriter
	_ func(*tgz.Reader) ([]*tar.Header, error)                                                                                      = tgz.List
	_ func(string) ([]*tar.Header, error)                                                                                           = tgz.ListFile
	_ func(*tgz.Writer) error                                                                                                       = tgz.Synthesize
	_ func(string) (string, error)                                                                                                  = tgz.SynthesizeTarball
)

// digitTarball is an archive of 28×28 grey pictures in a folder a class: class "0" is
// bright on the left, class "1" on the right.
func digitTarball(t *testing.T, pictures int) string {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	path := filepath.Join(t.TempDir(), "digits.tar.gz")
	w, err := tgz.CreateFile(path)
	require.NoError(t, err)
	for i := range pictures {
		picture := image.NewGray(image.Rect(0, 0, 28, 28))
		for at := range picture.Pix {
			picture.Pix[at] = byte(rng.IntN(100))
			if at%28/14 == i%2 {
				picture.Pix[at] += 100
			}
		}
		var b bytes.Buffer
		require.NoError(t, png.Encode(&b, picture))
		name := filepath.Join(strconv.Itoa(i%2), strconv.Itoa(i)+".png")
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(b.Len())}))
		_, err := w.Write(b.Bytes())
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return path
}

// A program as gotorch's users wrote them: no scope, no Close, parameters initialised
// by reflection through Apply, the state dict saved by gob, the collector asked to keep
// up.
func TestProgramInTheMannerOfGotorch(t *testing.T) {
	torchtest.Need(t)
	initializer.ManualSeed(1)
	device := torch.NewDevice("cpu")
	archive := digitTarball(t, 128)
	vocab, err := imageloader.BuildLabelVocabularyFromTgz(archive)
	require.NoError(t, err)
	trans := transforms.Compose(transforms.ToTensor(), transforms.Normalize([]float32{0.3}, []float32{0.3}))

	net := models.MLP()
	net.To(device)
	net.Apply(func(m nn.IModule) {
		if !strings.Contains(m.Name(), "Linear") {
			return
		}
		v := reflect.ValueOf(m.(*nn.Module).Outer()).Elem()
		w := v.FieldByName("Weight").Interface().(torch.Tensor)
		initializer.Normal(&w, 0, 0.02)
	})
	opt := torch.SGD(0.05, 0.5, 0, 0, false)
	opt.AddParameters(net.Parameters())
	defer torch.FinishGC()

	var losses []float32
	for range 3 {
		loader, err := imageloader.New(archive, vocab, trans, 16, 4, 1, false, imageloader.GRAY)
		require.NoError(t, err)
		for loader.Scan() {
			data, label := loader.Minibatch()
			opt.ZeroGrad()
			pred := net.Forward(data.To(device, data.Dtype()))
			loss := F.CrossEntropy(pred, label.To(device, label.Dtype()), torch.Tensor{}, -100, "mean")
			loss.Backward()
			opt.Step()
			losses = append(losses, loss.Item().(float32))
		}
		require.NoError(t, loader.Err())
	}
	opt.Close()
	assert.Less(t, losses[len(losses)-1], losses[0]/3)

	var saved bytes.Buffer
	require.NoError(t, gob.NewEncoder(&saved).Encode(net.StateDict()))
	state := map[string]torch.Tensor{}
	require.NoError(t, gob.NewDecoder(&saved).Decode(&state))
	again := models.MLP()
	require.NoError(t, again.SetStateDict(state))
	loader, err := imageloader.New(archive, vocab, trans, 128, 1, 1, false, imageloader.GRAY)
	require.NoError(t, err)
	require.True(t, loader.Scan())
	data, label := loader.Minibatch()
	right := again.Forward(data).Argmax(1).Eq(label.View(-1)).Sum(map[string]interface{}{"dim": 0, "keepDim": false}).Item().(int64)
	assert.Greater(t, right, int64(120))
	require.False(t, loader.Scan())
}
