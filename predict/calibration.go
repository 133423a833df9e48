package predict

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/torchlit/torchlit/torch/engine"
)

// CalibrationVersion is that of the format that Calibration is written in.
const CalibrationVersion = 1

// Calibration is what int8 needs to know of a model beyond its weights: how far the
// activations reach. torchlit.json keeps it under "int8".
type Calibration struct {
	Version int `json:"version"`
	// Method says how the ranges were chosen: MSE, Percentile or MinMax.
	Method string `json:"method"`
	// Images is the number of images that the ranges come from.
	Images int `json:"images"`
	// Input is the range of normalised images; nil where the first layer is kept in
	// floating point.
	Input *Range `json:"input,omitempty"`
	// Layers are the convolutions by name, such as "layer1.0.conv1".
	Layers   map[string]Layer `json:"layers"`
	Accuracy Accuracy         `json:"accuracy"`
}

// Range maps bytes to values: Scale · (byte − Zero).
type Range struct {
	Scale float64 `json:"scale"`
	Zero  int64   `json:"zero"`
}

// Layer is a convolution's part of a Calibration.
type Layer struct {
	Range // of its result, rectified and with the residual added
	// WeightMax is the largest absolute weight, normalisation folded in: a check that
	// the weights beside are those that were calibrated.
	WeightMax float64 `json:"weight_max"`
	// Bias is what is added to the bias of each output channel for the error that
	// rounding its weights makes on average: float32, little-endian, in base64.
	Bias Floats `json:"bias"`
}

// Accuracy is top-1 on images that the ranges do not come from, as ratios.
type Accuracy struct {
	FP32   float64 `json:"fp32"`
	BF16   float64 `json:"bf16,omitempty"` // 0: not measured
	Int8   float64 `json:"int8"`
	Images int     `json:"images"`
}

// Floats are float32 values that JSON holds as base64 of their bytes.
type Floats []float32

// MarshalText implements encoding.TextMarshaler.
func (f Floats) MarshalText() ([]byte, error) {
	data := make([]byte, 0, floatBytes*len(f))
	for _, v := range f {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return base64.StdEncoding.AppendEncode(nil, data), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *Floats) UnmarshalText(text []byte) error {
	data, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return err
	}
	if len(data)%floatBytes != 0 {
		return fmt.Errorf("%d bytes are no whole number of float32", len(data))
	}
	*f = make(Floats, len(data)/floatBytes)
	readFloats(*f, data)
	return nil
}

// ParseCalibration reads and checks what torchlit.json has under "int8". It returns
// nil where there is nothing. Whether it fits a network is checked when that is built.
func ParseCalibration(data []byte) (*Calibration, error) {
	if len(data) == 0 || string(data) == "null" {
		return nil, nil
	}
	var c Calibration
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("cannot read the calibration for int8: %w; %s", err, recalibrate)
	}
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("cannot use the calibration for int8: %w; %s", err, recalibrate)
	}
	return &c, nil
}

const recalibrate = `make it again with torchlit export --int8, or remove "int8" from torchlit.json`

func (c *Calibration) validate() error {
	if c.Version != CalibrationVersion {
		return fmt.Errorf("it is of version %d, this program reads version %d", c.Version, CalibrationVersion)
	}
	if c.Input != nil {
		if err := c.Input.validate(); err != nil {
			return fmt.Errorf("input: %w", err)
		}
	}
	if len(c.Layers) == 0 {
		return errors.New("it has no layers")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Layers)) {
		l := c.Layers[name]
		err := l.Range.validate()
		if err == nil && !(l.WeightMax >= 0 && l.WeightMax <= math.MaxFloat32) {
			err = fmt.Errorf("a largest weight of %v", l.WeightMax)
		}
		if err == nil && slices.ContainsFunc(l.Bias, notFinite) {
			err = errors.New("a correction of the bias is not finite")
		}
		if err != nil {
			return fmt.Errorf("layer %q: %w", name, err)
		}
	}
	for _, a := range []float64{c.Accuracy.FP32, c.Accuracy.BF16, c.Accuracy.Int8} {
		if !(a >= 0 && a <= 1) {
			return fmt.Errorf("an accuracy of %v is no ratio", a)
		}
	}
	return nil
}

// Scales outside of these are no activations of a network that works; their inverses
// are finite in float32.
const smallestScale, largestScale = 1e-12, 1e12

func (r Range) validate() error {
	if !(r.Scale >= smallestScale && r.Scale <= largestScale) {
		return fmt.Errorf("a scale of %v", r.Scale)
	}
	if r.Zero < 0 || r.Zero > 255 {
		return fmt.Errorf("a zero of %d is no byte", r.Zero)
	}
	return nil
}

func (r Range) bytes() engine.Bytes { return engine.Bytes{Scale: r.Scale, Zero: r.Zero} }

// weightDrift is how much the largest weight of a layer may differ, relatively, from
// the calibrated one: an f16 or bf16 copy of the weights is the same model.
const weightDrift = 0.01

// apply makes an int8 program of the steps of a network.
//
// The first convolution's result is left in floating point where its input is, if a
// max-pool follows: the pool has a quarter as many bytes to make.
func (c *Calibration) apply(config *engine.Config, steps []engine.Step) error {
	var stored [slots]engine.Bytes // of each slot
	if c.Input != nil {
		stored[0] = c.Input.bytes()
	}
	config.Precision, config.Images = engine.Int8, stored[0]
	var pending engine.Bytes // of the convolution whose result the next step pools
	convs := 0
	for i := range steps {
		s := &steps[i]
		switch s.Kind {
		case engine.Conv:
			convs++
			l, err := c.layer(s)
			if err != nil {
				return err
			}
			s.Bytes = l.bytes()
			for o, v := range l.Bias {
				s.Bias[o] += v
			}
			pooled := i+1 < len(steps) && steps[i+1].Kind == engine.MaxPool
			if stored[s.Input].Scale == 0 && pooled {
				pending, s.Bytes = s.Bytes, engine.Bytes{}
			}
		case engine.MaxPool, engine.AvgPool:
			s.Bytes = stored[s.Input]
			if s.Kind == engine.MaxPool && pending.Scale != 0 {
				s.Bytes, pending = pending, engine.Bytes{}
			}
		case engine.PoolLinear:
			continue
		}
		stored[s.Output] = s.Bytes
	}
	if convs != len(c.Layers) {
		return fmt.Errorf("cannot run in int8: the calibration has %d layers, the network %d; %s", len(c.Layers), convs, recalibrate)
	}
	return nil
}

// layer finds a convolution's part and holds it against its weights.
func (c *Calibration) layer(s *engine.Step) (Layer, error) {
	l, ok := c.Layers[s.Name]
	if !ok {
		return l, fmt.Errorf("cannot run in int8: the calibration knows no layer %q; %s", s.Name, recalibrate)
	}
	if len(l.Bias) != len(s.Bias) {
		return l, fmt.Errorf("cannot run in int8: the calibration has %d channels for %q, the network %d; %s",
			len(l.Bias), s.Name, len(s.Bias), recalibrate)
	}
	largest := float64(largestAbsolute(s.Weight))
	if math.Abs(largest-l.WeightMax) > weightDrift*max(largest, l.WeightMax) {
		return l, fmt.Errorf("cannot run in int8: the largest weight of %q is %.4g, and was %.4g when the model was calibrated; %s",
			s.Name, largest, l.WeightMax, recalibrate)
	}
	return l, nil
}

func largestAbsolute(values []float32) (largest float32) {
	for _, v := range values {
		largest = max(largest, v, -v)
	}
	return largest
}
