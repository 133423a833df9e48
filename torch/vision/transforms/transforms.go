// Package transforms turns pictures into the tensors that a model takes, with
// gotorch's names. A chain of steps is put together by Compose:
//
//	train := transforms.Compose(
//		transforms.RandomResizedCrop(224),
//		transforms.ToTensor(),
//		transforms.Normalize([]float32{0.485, 0.456, 0.406}, []float32{0.229, 0.224, 0.225}))
//	x := train.Run(picture).(torch.Tensor)
//
// Pictures are *vision.Image, 8-bit RGB, where gotorch had OpenCV's matrices;
// the pixels that come out are OpenCV's. A step never writes into the picture it
// is given. What it returns is new, or the picture itself when there is nothing
// to change.
//
// # Gray pictures
//
// All steps treat the three channels alike, so a gray picture is one whose
// channels are equal, as vision.Decode returns it. Grayscale, last before
// ToTensor, makes a picture gray and has ToTensor make one channel of it.
//
// # Chance
//
// The random steps draw from math/rand/v2's global source, or, through RunWith,
// from a source of the caller's, which makes them repeatable. The steps have no
// state: any number of goroutines may run one at the same time.
//
// # Errors
//
// Run panics with a *torch.Error when it cannot do what it was asked for, such as
// cropping more than there is. torch.Try makes errors of such panics.
package transforms

import (
	"fmt"
	"math/rand/v2"
	"reflect"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/vision"
)

// Transform is a step of a chain: anything with a method Run that takes what the
// step before returns. What a chain cannot run it refuses when it comes there.
type Transform interface{}

// Randomized is a step that draws lots. Its method Run is RunWith with a source
// of its own choice.
type Randomized interface {
	RunWith(r *rand.Rand, input *vision.Image) *vision.Image
}

// ComposeTransformer runs its steps in order. It is itself a step.
type ComposeTransformer struct {
	Transforms []interface{}
}

// Compose makes a chain of transforms. An empty chain returns what it is given.
func Compose(transforms ...interface{}) *ComposeTransformer {
	return &ComposeTransformer{Transforms: transforms}
}

// Run gives inputs to the first step, what that returns to the second, and so
// on, and returns what the last one returns, which must be one value. It panics
// with a *torch.Error when a step does not fit.
func (t *ComposeTransformer) Run(inputs ...interface{}) interface{} {
	return t.RunWith(newRand(), inputs...)
}

// RunWith is Run in which all Randomized steps draw from r.
func (t *ComposeTransformer) RunWith(r *rand.Rand, inputs ...interface{}) interface{} {
	for _, step := range t.Transforms {
		inputs = runStep(r, step, inputs)
	}
	if len(inputs) != 1 {
		refuse("Compose", "the last step has %d results; a chain ends in one", len(inputs))
	}
	return inputs[0]
}

// runStep knows the steps of this package and calls those of others, whose types
// only they know, by reflection.
func runStep(r *rand.Rand, step interface{}, inputs []interface{}) []interface{} {
	if chain, ok := step.(*ComposeTransformer); ok {
		return []interface{}{chain.RunWith(r, inputs...)}
	}
	if len(inputs) == 1 {
		if m, ok := inputs[0].(*vision.Image); ok {
			switch step := step.(type) {
			case Randomized:
				return []interface{}{step.RunWith(r, m)}
			case interface {
				Run(*vision.Image) *vision.Image
			}:
				return []interface{}{step.Run(m)}
			}
		}
	}
	return reflectRun(step, inputs)
}

func reflectRun(step interface{}, inputs []interface{}) []interface{} {
	if step == nil {
		refuse("Compose", "a step is nil")
	}
	run := reflect.ValueOf(step).MethodByName("Run")
	if !run.IsValid() {
		refuse("Compose", "%T has no method Run", step)
	}
	args := make([]reflect.Value, len(inputs))
	for i, input := range inputs {
		args[i] = reflect.ValueOf(input)
	}
	if !takes(run.Type(), args) {
		refuse("Compose", "%T.Run is a %v and cannot take %s", step, run.Type(), types(inputs))
	}
	results := run.Call(args)
	outputs := make([]interface{}, len(results))
	for i, result := range results {
		outputs[i] = result.Interface()
	}
	return outputs
}

// takes tells whether a function of type f can be called with args.
func takes(f reflect.Type, args []reflect.Value) bool {
	fixed := f.NumIn()
	if f.IsVariadic() {
		fixed--
	}
	if len(args) < fixed || len(args) > fixed && !f.IsVariadic() {
		return false
	}
	for i, arg := range args {
		var want reflect.Type
		if i < fixed {
			want = f.In(i)
		} else {
			want = f.In(fixed).Elem()
		}
		if !arg.IsValid() || !arg.Type().AssignableTo(want) {
			return false
		}
	}
	return true
}

func types(values []interface{}) string {
	if len(values) == 1 {
		return fmt.Sprintf("a %T", values[0])
	}
	return fmt.Sprintf("%d values", len(values))
}

// newRand returns a source that nobody else draws from.
func newRand() *rand.Rand { return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) }

// refuse panics as torch's functions do.
func refuse(step, format string, args ...interface{}) {
	panic(&torch.Error{Op: "transforms." + step, Text: fmt.Sprintf(format, args...)})
}

// checkImage refuses pictures without pixels, and those that somebody put
// together wrongly.
func checkImage(step string, m *vision.Image) {
	if m == nil {
		refuse(step, "the picture is nil")
	}
	if m.Width <= 0 || m.Height <= 0 || len(m.Pix) != m.Width*m.Height*3 {
		refuse(step, "the picture has %d x %d pixels in %d bytes; 8-bit RGB takes %d",
			m.Width, m.Height, len(m.Pix), m.Width*m.Height*3)
	}
}

// size is what the constructors take as (height, width ...): one number stands
// for a square.
type size struct{ width, height int }

func newSize(height int, width []int) size {
	if len(width) > 0 {
		return size{width[0], height}
	}
	return size{height, height}
}

func (s size) check(step string) {
	if s.width <= 0 || s.height <= 0 {
		refuse(step, "%d x %d pixels were asked for", s.width, s.height)
	}
}
