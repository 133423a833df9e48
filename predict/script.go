package predict

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/jit"
)

// ErrForward is wrapped by what a Runner returns when the model's own code raised:
// a TorchScript module that refuses an image, say. The error's text is the module's,
// with its traceback: it is for the log.
var ErrForward = errors.New("the model's own code failed")

// script is a network in TorchScript. Its executors call one module, each from a
// thread of its own.
//
// A module is a black box. So what it is called with is fixed: float32 (or the
// type of its own parameters), [N, 3, height, width], normalised as config.json
// says; and what it answers is looked at once, when it is opened.
type script struct {
	module        *jit.Module
	users         *atomic.Int64 // that have not closed yet
	height, width int
	classes       int
	probabilities bool            // what the module answers; else logits
	dtype         int8            // of its parameters
	table         [3][256]float32 // of a channel's byte, normalised
	planes        []float32       // scratch of Run
}

// openScript loads the module of a folder and tries it. batches is whether it
// takes more than one image at a time.
func openScript(folder *modeldir.Folder) (s *script, batches bool, err error) {
	module, err := jit.Load(folder.Weights.Path, torch.NewDevice("cpu"))
	if err != nil {
		return nil, false, err
	}
	module.Train(false)
	p := folder.Preprocess()
	s = &script{
		module: module, users: new(atomic.Int64), height: p.Height, width: p.Width, classes: folder.Config.NumClasses,
		probabilities: folder.Extras.Output == modeldir.OutputProbabilities, dtype: parameterType(module),
	}
	s.users.Store(1)
	for c := range s.table {
		for b := range s.table[c] {
			s.table[c][b] = (float32(b)/255 - p.Mean[c]) / p.Std[c]
		}
	}
	if batches, err = s.try(); err != nil {
		s.Close()
		return nil, false, fmt.Errorf("cannot use %q for images of %d×%d: %w", folder.Weights.Path, p.Width, p.Height, err)
	}
	return s, batches, nil
}

// parameterType is that of the module's weights, float32 if it has none.
func parameterType(m *jit.Module) (dtype int8) {
	dtype = torch.Float
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		parameters := m.NamedParameters()
		if len(parameters) == 0 {
			return
		}
		first := slices.Min(slices.Collect(maps.Keys(parameters)))
		if d := parameters[first].Dtype(); d == torch.Half || d == torch.BFloat16 || d == torch.Double {
			dtype = d
		}
	})
	return dtype
}

// try runs a batch of one and a batch of two.
func (s *script) try() (batches bool, err error) {
	size := 3 * s.height * s.width
	planes, logits := make([]float32, 2*size), make([]float32, 2*s.classes)
	if err := s.RunPlanes(planes[:size], 1, logits[:s.classes]); err != nil {
		return false, err
	}
	return s.RunPlanes(planes, 2, logits) == nil, nil
}

func (s *script) share() (executor, error) {
	s.users.Add(1)
	other := *s
	other.planes = nil
	return &other, nil
}

// warming: the profiling executor compiles a shape after having seen it twice.
func (*script) warming() warming { return warming{3, 3 * time.Second} }

// Close frees the module with the last of its users.
func (s *script) Close() {
	if s.users.Add(-1) == 0 {
		s.module.Close()
	}
}

// Run implements executor.
func (s *script) Run(images []byte, n int, logits []float32) error {
	plane := s.height * s.width
	s.planes = slices.Grow(s.planes[:0], len(images))[:len(images)]
	for i := range n {
		image, dst := images[i*3*plane:(i+1)*3*plane], s.planes[i*3*plane:(i+1)*3*plane]
		for p := range plane {
			dst[p] = s.table[0][image[3*p]]
			dst[plane+p] = s.table[1][image[3*p+1]]
			dst[2*plane+p] = s.table[2][image[3*p+2]]
		}
	}
	return s.RunPlanes(s.planes, n, logits)
}

// RunPlanes implements executor.
func (s *script) RunPlanes(planes []float32, n int, logits []float32) (err error) {
	defer func() { // the operators around the call panic with libtorch's errors
		if r := recover(); r != nil {
			refused, ok := r.(*torch.Error)
			if !ok {
				panic(r)
			}
			err = refused
		}
	}()
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		torch.NoGrad(func() {
			x := torch.FromSlice(planes, int64(n), 3, int64(s.height), int64(s.width))
			if s.dtype != torch.Float {
				x = torch.To(x, torch.NewDevice("cpu"), s.dtype)
			}
			var answer *jit.IValue
			if answer, err = s.module.TryForward(x); err != nil {
				err = fmt.Errorf("%w: %w", ErrForward, err)
				return
			}
			err = s.read(answer.Value, n, logits)
		})
	})
	return err
}

// read copies the module's answer to logits.
func (s *script) read(answer any, n int, logits []float32) error {
	y, err := pick(answer)
	if err != nil {
		return err
	}
	if shape := y.Shape(); len(shape) != 2 || shape[0] != int64(n) || shape[1] != int64(s.classes) {
		return fmt.Errorf("its forward returns a tensor %v for %d images, want [%d, %d]; correct num_classes in config.json, or export a module that returns one row an image",
			shape, n, n, s.classes)
	}
	copy(logits, torch.Slice[float32](torch.To(y, torch.NewDevice("cpu"), torch.Float)))
	if s.probabilities { // whose logarithms are logits
		for i, p := range logits {
			logits[i] = float32(math.Log(max(float64(p), math.SmallestNonzeroFloat32)))
		}
	}
	return nil
}

// The entries of a dictionary that may be the answer, as libraries call them.
var outputNames = []string{"logits", "out", "output", "pred", "probabilities"}

// pick finds the tensor in an answer: itself, the first of a tuple or list, or an
// entry of a dictionary.
func pick(answer any) (torch.Tensor, error) {
	switch a := answer.(type) {
	case torch.Tensor:
		return a, nil
	case []torch.Tensor:
		if len(a) > 0 {
			return a[0], nil
		}
	case []any:
		if len(a) > 0 {
			return pick(a[0])
		}
	case map[string]torch.Tensor:
		for _, name := range outputNames {
			if t, ok := a[name]; ok {
				return t, nil
			}
		}
		if len(a) == 1 {
			for _, t := range a {
				return t, nil
			}
		}
		return torch.Tensor{}, fmt.Errorf("its forward returns a dictionary of %s, of which none is called %s",
			strings.Join(slices.Sorted(maps.Keys(a)), ", "), strings.Join(outputNames, ", "))
	}
	return torch.Tensor{}, fmt.Errorf("its forward returns %T; make one that returns a tensor", answer)
}
