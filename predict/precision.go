package predict

import (
	"fmt"

	"github.com/torchlit/torchlit/torch/engine"
)

// The precisions, as flags and clients call them.
const (
	FP32 = "fp32"
	BF16 = "bf16"
	Int8 = "int8"
)

var precisions = map[string]engine.Precision{FP32: engine.FP32, BF16: engine.BF16, Int8: engine.Int8}

// Support is what this machine can do with a precision.
type Support struct {
	Runs bool // at all
	Fast bool // it has instructions for it
}

// Supports tells for each precision what this machine can do with it.
func Supports() (map[string]Support, error) {
	found := map[string]Support{}
	for name, p := range precisions {
		runs, fast, err := engine.Supports(p)
		if err != nil {
			return nil, err
		}
		found[name] = Support{runs, fast}
	}
	return found, nil
}

// bf16Fall is how much accuracy, as a ratio, bf16 may cost for "auto" to take it.
const bf16Fall = 0.001

// ChoosePrecision returns what asked ("", "auto" or a precision) stands for on such a
// machine, and why. c is the model's calibration, nil if it has none.
//
// Auto takes the fastest precision for which the machine has instructions and whose
// accuracy was measured on this model and found good. What was not measured is not
// taken: nobody's answers change because a server moved to another machine.
func ChoosePrecision(asked string, machine map[string]Support, c *Calibration) (precision, why string, err error) {
	switch asked {
	case "", "auto":
		precision, why = fastest(machine, c)
		return precision, why, nil
	case FP32:
		return FP32, "asked for", nil
	case BF16:
		if !machine[BF16].Runs {
			return "", "", fmt.Errorf("cannot run in precision %q: this CPU lacks AVX-512 BW, VL and DQ, or this libtorch oneDNN; use --precision fp32", asked)
		}
	case Int8:
		if !machine[Int8].Runs {
			return "", "", fmt.Errorf("cannot run in precision %q: this CPU lacks AVX2, or this libtorch oneDNN's quantized convolution; use --precision fp32", asked)
		}
		if c == nil {
			return "", "", fmt.Errorf("cannot run in precision %q: the model is not calibrated; make a folder that is with torchlit export --int8 --calibrate DIR", asked)
		}
	case FP16:
		return "", "", fmt.Errorf("cannot run in precision %q on the CPU: use --precision auto, fp32, bf16 or int8", asked)
	default:
		return "", "", fmt.Errorf("cannot run in precision %q: use --precision auto, fp32, bf16 or int8", asked)
	}
	if !machine[asked].Fast {
		return asked, "asked for, although this CPU has no instructions for it", nil
	}
	return asked, "asked for", nil
}

func fastest(machine map[string]Support, c *Calibration) (precision, why string) {
	if c == nil {
		return FP32, "the accuracy of no other is known; torchlit export --int8 --calibrate DIR measures it"
	}
	a := c.Accuracy
	measured := func(name string, accuracy float64) string {
		return fmt.Sprintf("accuracy %.2f %% in %s, %.2f %% in fp32, on %d images", 100*accuracy, name, 100*a.FP32, a.Images)
	}
	switch {
	case machine[Int8].Fast:
		return Int8, measured(Int8, a.Int8)
	case machine[BF16].Fast && a.BF16 > 0 && a.BF16 >= a.FP32-bf16Fall:
		return BF16, measured(BF16, a.BF16)
	case machine[BF16].Fast:
		return FP32, "this CPU has no instructions for int8, and bf16 was not measured or costs too much accuracy"
	}
	return FP32, "this CPU has no instructions for int8 or bf16"
}
