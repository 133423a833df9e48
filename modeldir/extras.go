package modeldir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// The stems of a ResNet.
const (
	StemImageNet = ""      // 7×7 convolution of stride 2, then a max-pool
	StemCIFAR    = "cifar" // 3×3 convolution of stride 1, no max-pool
)

// What a TorchScript program returns.
const (
	OutputLogits        = "logits"
	OutputProbabilities = "probabilities"
)

// Extras is what torchlit.json says: what timm's config.json has no place for.
// Every key may be absent, and so may the file. Keys that are not listed here
// are kept and written back.
type Extras struct {
	Stem        string       // "stem": StemImageNet or StemCIFAR
	Accuracy    *float64     // "accuracy": top-1 as a ratio in 0..1; nil when not measured
	AccuracyOn  string       // "accuracy_on": what it was measured on, for people
	TrainingRun *TrainingRun // "training_run"; nil when not known

	// Temperature ("temperature") divides the logits before the softmax so that
	// probabilities mean what they say; nil when not calibrated.
	Temperature *float64
	// Output ("output") is what a TorchScript program returns: OutputLogits, which
	// stands for "" too, or OutputProbabilities. Other networks return logits.
	Output string
	// Int8 ("int8") is the calibration of the quantized engine, in its words.
	Int8 json.RawMessage
	// DriftReference ("drift_reference") is the file, relative to the folder,
	// with the statistics that live traffic is compared with; "" for none.
	DriftReference string

	rest map[string]json.RawMessage
}

// TrainingRun tells where the weights come from.
type TrainingRun struct {
	Epochs  int
	Seed    int64
	Commit  string // of Torchlit's source
	Dataset string // such as "cifar10"
	Recipe  string // the configuration, by name or as overrides

	rest map[string]json.RawMessage
}

// readExtras reads torchlit.json. stated is whether it says which stem there
// is; where it does not, the weights do.
func readExtras(file string) (e Extras, stated bool, err error) {
	o, err := readObject(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Extras{}, false, nil
	}
	if err != nil {
		return Extras{}, false, err
	}
	_, stated = o.raw["stem"]
	hasRun := o.raw["training_run"] != nil && string(o.raw["training_run"]) != "null"
	run, err := o.object("training_run")
	if err != nil {
		return Extras{}, false, err
	}
	if hasRun {
		e.TrainingRun = &TrainingRun{rest: run.raw}
		err = e.TrainingRun.read(run)
	}
	for _, err := range []error{
		err,
		o.take("stem", &e.Stem, `"cifar" or "imagenet"`),
		o.take("accuracy", &e.Accuracy, "a ratio between 0 and 1"),
		o.take("accuracy_on", &e.AccuracyOn, "a string"),
		o.take("temperature", &e.Temperature, "a number above 0"),
		o.take("output", &e.Output, `"logits" or "probabilities"`),
		o.take("int8", &e.Int8, ""),
		o.take("drift_reference", &e.DriftReference, "the name of a file in the folder"),
	} {
		if err != nil {
			return Extras{}, false, err
		}
	}
	if e.Stem == "imagenet" {
		e.Stem = StemImageNet
	}
	e.rest = o.raw
	return e, stated, e.check(file)
}

func (r *TrainingRun) read(o object) error {
	return errors.Join(
		o.take("epochs", &r.Epochs, "a whole number"),
		o.take("seed", &r.Seed, "a whole number"),
		o.take("commit", &r.Commit, "a string"),
		o.take("dataset", &r.Dataset, "a string"),
		o.take("recipe", &r.Recipe, "a string"),
	)
}

func (e *Extras) check(file string) error {
	o := object{file: file}
	if e.Stem != StemImageNet && e.Stem != StemCIFAR {
		return o.wrong("stem", fmt.Sprintf("%q", e.Stem), `"cifar" or "imagenet"`)
	}
	if e.Accuracy != nil && !(*e.Accuracy >= 0 && *e.Accuracy <= 1) {
		return o.wrong("accuracy", fmt.Sprint(*e.Accuracy), "a ratio between 0 and 1")
	}
	if e.Temperature != nil && !(*e.Temperature > 0) {
		return o.wrong("temperature", fmt.Sprint(*e.Temperature), "a number above 0")
	}
	if e.Output != "" && e.Output != OutputLogits && e.Output != OutputProbabilities {
		return o.wrong("output", fmt.Sprintf("%q", e.Output), `"logits" or "probabilities"`)
	}
	if e.DriftReference != "" && !filepath.IsLocal(e.DriftReference) {
		return o.wrong("drift_reference", fmt.Sprintf("%q", e.DriftReference), "the name of a file inside of the folder")
	}
	return nil
}

func (e *Extras) encode() ([]byte, error) {
	m := members{{"stem", "imagenet"}}
	if e.Stem != StemImageNet {
		m[0].value = e.Stem
	}
	if e.Accuracy != nil {
		m.add("accuracy", *e.Accuracy)
	}
	if e.AccuracyOn != "" {
		m.add("accuracy_on", e.AccuracyOn)
	}
	if e.TrainingRun != nil {
		m.add("training_run", e.TrainingRun.members())
	}
	if e.Temperature != nil {
		m.add("temperature", *e.Temperature)
	}
	if e.Output != "" {
		m.add("output", e.Output)
	}
	if e.Int8 != nil {
		m.add("int8", e.Int8)
	}
	if e.DriftReference != "" {
		m.add("drift_reference", e.DriftReference)
	}
	m.addRest(e.rest)
	return m.encode()
}

func (r *TrainingRun) members() members {
	m := members{{"epochs", r.Epochs}, {"seed", r.Seed}}
	for _, s := range []struct{ key, value string }{{"commit", r.Commit}, {"dataset", r.Dataset}, {"recipe", r.Recipe}} {
		if s.value != "" {
			m.add(s.key, s.value)
		}
	}
	m.addRest(r.rest)
	return m
}
