package predict

import (
	"errors"
	"fmt"
	"math"

	"github.com/torchlit/torchlit/torch/engine"
)

// Calibrate runs the network in fp32 on images, which are as they come out of the
// preprocessing, and chooses a range for each activation by method. With floatInput
// the first layer is kept in floating point. Accuracy is left to the caller.
//
// Rounding a filter changes the mean of what it answers, by the rounding errors times
// the mean of what it reads (Nagel et al., https://arxiv.org/abs/1906.04721, section
// 4.2). That is taken off each bias. Means are those of fp32; that padding lowers them
// at the edges is neglected.
func Calibrate(n Network, images [][]byte, method string, floatInput bool) (*Calibration, error) {
	switch method {
	case MSE, Percentile, MinMax:
	default:
		return nil, fmt.Errorf("cannot choose ranges by %q: use %s, %s or %s", method, MSE, Percentile, MinMax)
	}
	if len(images) == 0 {
		return nil, errors.New("cannot calibrate with no images")
	}
	o, err := observe(n, images)
	if err != nil {
		return nil, fmt.Errorf("cannot calibrate: %w", err)
	}
	c := &Calibration{Version: CalibrationVersion, Method: method, Images: len(images), Layers: map[string]Layer{}}
	if !floatInput {
		r := rangeOf(o.input.low, o.input.high)
		c.Input = &r
	}
	var means [slots][]float64 // by channel, of what lies in each slot
	means[0] = o.input.means
	for i, s := range o.steps {
		if s.Kind == engine.PoolLinear {
			break
		}
		if s.Kind == engine.Conv {
			l := Layer{Range: o.results[i].choose(method), WeightMax: float64(largestAbsolute(s.Weight)), Bias: make(Floats, s.Out)}
			if s.Input != 0 || i > 0 || !floatInput { // its weights are rounded
				correct(l.Bias, &o.steps[i], means[s.Input])
			}
			c.Layers[s.Name] = l
		}
		means[s.Output] = o.results[i].means
	}
	return c, nil
}

// correct fills bias with what the rounding of each filter's weights, as the engine
// does it, takes off its mean answer.
func correct(bias Floats, s *engine.Step, means []float64) {
	perFilter := len(s.Weight) / len(bias)
	area := int(s.Kernel * s.Kernel)
	group := len(bias) / int(max(1, s.Groups)) // filters that read the same channels
	for o := range bias {
		filter := s.Weight[o*perFilter : (o+1)*perFilter]
		scale := max(largestAbsolute(filter)/127, smallestScale)
		first := o / group * (perFilter / area)
		sum := 0.0
		for i, w := range filter {
			rounded := float32(math.RoundToEven(float64(w/scale))) * scale
			sum += float64(rounded-w) * means[first+i/area]
		}
		bias[o] = float32(-sum)
	}
}

// observed is what is known of an activation.
type observed struct {
	histogram
	means []float64 // by channel
}

// observation is a network on images.
type observation struct {
	steps   []engine.Step
	input   observed
	results []observed // of each step
}

// traceFloats bounds the memory of a traced batch.
const traceFloats = 16 << 20

// observe looks at all images twice: how far the activations reach, then how they are
// distributed between.
func observe(n Network, images [][]byte) (*observation, error) {
	config, steps, err := n.program(false)
	if err != nil {
		return nil, err
	}
	e, err := engine.Open(config, steps)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	shapes, err := e.Shapes(len(steps))
	if err != nil {
		return nil, err
	}
	o := &observation{steps: steps, results: make([]observed, len(steps))}
	o.look(n, images)
	for i, s := range shapes {
		o.results[i].means = make([]float64, s[0])
	}
	if err := traceAll(e, shapes, images, o.reach); err != nil {
		return nil, err
	}
	for i := range o.results {
		pixels := float64(len(images)) * float64(shapes[i][1]*shapes[i][2])
		for c := range o.results[i].means {
			o.results[i].means[c] /= pixels
		}
	}
	return o, traceAll(e, shapes, images, func(i int, values []float32) { o.results[i].add(values) })
}

// look finds the range and the mean colour of the normalised images.
func (o *observation) look(n Network, images [][]byte) {
	o.input.means = make([]float64, 3)
	for c := range 3 {
		sum, pixels := 0, 0
		for _, image := range images {
			for i := c; i < len(image); i += 3 {
				sum += int(image[i])
				pixels++
			}
		}
		normalise := func(v float64) float64 { return (v/255 - float64(n.Mean[c])) / float64(n.Std[c]) }
		o.input.low = min(o.input.low, normalise(0))
		o.input.high = max(o.input.high, normalise(255))
		o.input.means[c] = normalise(float64(sum) / float64(pixels))
	}
}

// reach widens the range of step i's result and adds up its channels.
func (o *observation) reach(i int, values []float32) {
	r := &o.results[i]
	low, high := float32(r.low), float32(r.high)
	channels := len(r.means)
	for p := 0; p < len(values); p += channels {
		for c, v := range values[p : p+channels] {
			low, high = min(low, v), max(high, v)
			r.means[c] += float64(v)
		}
	}
	r.low, r.high = float64(low), float64(high)
}

// traceAll calls f with each step's result on each batch, channels last.
func traceAll(e *engine.Engine, shapes [][3]int64, images [][]byte, f func(step int, values []float32)) error {
	each := 0
	for _, s := range shapes {
		each += int(s[0] * s[1] * s[2])
	}
	batch := min(max(1, traceFloats/each), len(images), defaultMaxBatch)
	pixels := make([]byte, 0, batch*len(images[0]))
	results := make([]float32, batch*each)
	for len(images) > 0 {
		n := min(batch, len(images))
		pixels = pixels[:0]
		for _, image := range images[:n] {
			pixels = append(pixels, image...)
		}
		images = images[n:]
		if err := e.Trace(pixels, n, results[:n*each]); err != nil {
			return err
		}
		rest := results
		for i, s := range shapes {
			size := n * int(s[0]*s[1]*s[2])
			f(i, rest[:size])
			rest = rest[size:]
		}
	}
	return nil
}
