package modeldir

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/torchlit/torchlit/vision"
)

// Config is what config.json says, in timm's words. Keys that are not listed
// here are kept and written back.
type Config struct {
	// Architecture is timm's name of the network, such as "resnet18". Only a
	// TorchScript model, which carries its own, may leave it empty.
	Architecture string
	NumClasses   int
	NumFeatures  int    // inputs of the classifier; 0 when not written
	GlobalPool   string // "" when not written
	// LabelNames has one name a class, or is nil when the file has none.
	LabelNames []string
	// LabelDescriptions explains labels, by name; nil when the file has none.
	LabelDescriptions map[string]string
	// ModelArgs are the arguments that timm passes to the architecture.
	ModelArgs  map[string]json.RawMessage
	Pretrained Pretrained

	sparse bool // LabelNames were given by class number, so the last may be missing
	rest   map[string]json.RawMessage
}

// Pretrained is config.json's "pretrained_cfg": how pictures are prepared for
// the weights, and where the first and last layer are.
type Pretrained struct {
	InputSize     [3]int     // channels, height, width; 3×224×224 when not written
	Mean, Std     [3]float64 // of red, green and blue in 0..1; ImageNet's when not written
	Interpolation string     // "bicubic" when not written, or "bilinear"
	CropPct       float64    // the crop's share of the resized picture; 0.875 when not written
	CropMode      string     // "center" when not written, "squash" or "border"
	FirstConv     string     // "conv1" when not written
	Classifier    string     // "fc" when not written
	Tag           string     // which training of the architecture; may be ""
	Notes         []string   // for people

	rest map[string]json.RawMessage
}

// DefaultConfig is the configuration of a folder that only names its
// architecture and number of classes: timm's defaults.
func DefaultConfig(architecture string, numClasses int) Config {
	c := Config{Architecture: architecture, NumClasses: numClasses, Pretrained: defaultPretrained()}
	if deepStem.MatchString(architecture) {
		c.Pretrained.FirstConv = deepFirstConv
	}
	return c
}

// deepStem matches timm's names of ResNets with three convolutions in the stem: those of
// variant C and D, such as resnet18d and resnext50d_32x4d.
var deepStem = regexp.MustCompile(`^resne(t|xt)\d+[cd](_|$)`)

const deepFirstConv = "conv1.0"

func defaultPretrained() Pretrained {
	return Pretrained{
		InputSize:     [3]int{3, 224, 224},
		Mean:          [3]float64{0.485, 0.456, 0.406},
		Std:           [3]float64{0.229, 0.224, 0.225},
		Interpolation: "bicubic",
		CropPct:       vision.DefaultCropPct,
		CropMode:      vision.CropCenter,
		FirstConv:     "conv1",
		Classifier:    "fc",
	}
}

const (
	// timmDefaultClasses is what timm assumes where no file says otherwise.
	timmDefaultClasses = 1000
	// maxClasses bounds what one wrong number can make us allocate.
	maxClasses = 1 << 20
)

func readConfig(file string) (Config, error) {
	o, err := readObject(file)
	if err != nil {
		return Config{}, err
	}
	if _, ok := o.raw["architectures"]; ok && o.raw["architecture"] == nil {
		return Config{}, fmt.Errorf("cannot use %q: it has \"architectures\", which is the layout of the transformers library; "+
			"export the model with timm's save_for_hf instead", file)
	}
	pre, err := o.pretrained()
	if err != nil {
		return Config{}, err
	}
	c := Config{NumClasses: -1}
	if c.Pretrained, err = readPretrained(pre); err != nil {
		return Config{}, err
	}
	// The top level wins over pretrained_cfg, where older files have these.
	for _, from := range []object{pre, o} {
		if err := c.readShared(from); err != nil {
			return Config{}, err
		}
	}
	for _, err := range []error{
		o.take("architecture", &c.Architecture, `timm's name of the network, such as "resnet18"`),
		o.take("num_features", &c.NumFeatures, "a whole number"),
		o.take("global_pool", &c.GlobalPool, `a string such as "avg"`),
		o.take("model_args", &c.ModelArgs, "an object"),
	} {
		if err != nil {
			return Config{}, err
		}
	}
	if c.Architecture == "" {
		// Older files have it beside the preprocessing.
		if err := pre.take("architecture", &c.Architecture, "a string"); err != nil {
			return Config{}, err
		}
	}
	if c.NumClasses == -1 {
		c.NumClasses = timmDefaultClasses
	}
	c.rest, c.Pretrained.rest = o.raw, pre.raw
	if c.sparse && c.NumClasses <= maxClasses {
		for i := len(c.LabelNames); i < c.NumClasses; i++ {
			c.LabelNames = append(c.LabelNames, className(i))
		}
	}
	return c, c.check(file)
}

// pretrained finds the object with the preprocessing. timm's older files are
// flat: all keys are at the top, and "labels" stands for "label_names".
func (o *object) pretrained() (object, error) {
	if _, ok := o.raw["pretrained_cfg"]; ok {
		return o.object("pretrained_cfg")
	}
	flat := object{file: o.file, raw: o.raw}
	o.raw = map[string]json.RawMessage{}
	for _, key := range []string{"architecture", "num_features", "global_pool", "model_args"} {
		if raw, ok := flat.raw[key]; ok {
			o.raw[key] = raw
			delete(flat.raw, key)
		}
	}
	if raw, ok := flat.raw["labels"]; ok && flat.raw["label_names"] == nil {
		flat.raw["label_names"] = raw
		delete(flat.raw, "labels")
	}
	return flat, nil
}

// readShared reads the keys that may stand at the top or in pretrained_cfg.
func (c *Config) readShared(o object) error {
	if err := o.take("num_classes", &c.NumClasses, "a whole number"); err != nil {
		return err
	}
	if err := o.take("label_descriptions", &c.LabelDescriptions, "an object from label names to descriptions"); err != nil {
		return err
	}
	var raw json.RawMessage
	if err := o.take("label_names", &raw, ""); err != nil || raw == nil {
		return err
	}
	names, err := parseLabelNames(raw)
	if err != nil {
		return o.wrong("label_names", err.Error(), `a list of names, or an object such as {"0": "cat", "1": "dog"}`)
	}
	c.LabelNames, c.sparse = names, raw[0] == '{'
	return nil
}

// parseLabelNames reads a list of names, or an object from class numbers to
// names, whose gaps get names as in [Folder.Labels].
func parseLabelNames(raw json.RawMessage) ([]string, error) {
	var names []string
	if json.Unmarshal(raw, &names) == nil {
		return names, nil
	}
	var byIndex map[string]string
	if json.Unmarshal(raw, &byIndex) != nil {
		return nil, fmt.Errorf("%s", excerpt(raw))
	}
	for key, name := range byIndex {
		i, err := strconv.Atoi(key)
		if err != nil || i < 0 || i >= maxClasses || strconv.Itoa(i) != key {
			return nil, fmt.Errorf("an object with the key %q, which is no class number", key)
		}
		for len(names) <= i {
			names = append(names, className(len(names)))
		}
		names[i] = name
	}
	return names, nil
}

func readPretrained(o object) (Pretrained, error) {
	p := defaultPretrained()
	var size []int
	var mean, std []float64
	var notes json.RawMessage
	for _, err := range []error{
		o.take("input_size", &size, "[3, height, width]"),
		o.take("mean", &mean, "three numbers such as [0.485, 0.456, 0.406]"),
		o.take("std", &std, "three numbers such as [0.229, 0.224, 0.225]"),
		o.take("interpolation", &p.Interpolation, `"bilinear" or "bicubic"`),
		o.take("crop_pct", &p.CropPct, "a number between 0.05 and 1"),
		o.take("crop_mode", &p.CropMode, `"center", "squash" or "border"`),
		o.take("first_conv", &p.FirstConv, "the name of one layer"),
		o.take("classifier", &p.Classifier, "the name of one layer"),
		o.take("tag", &p.Tag, "a string"),
		o.take("notes", &notes, ""),
	} {
		if err != nil {
			return p, err
		}
	}
	if err := p.setNotes(notes); err != nil {
		return p, o.wrong("notes", excerpt(notes), "a list of strings")
	}
	if size != nil {
		if len(size) != 3 || size[0] != 3 {
			return p, o.wrong("input_size", fmt.Sprint(size), "[3, height, width]; only models of RGB pictures can be served")
		}
		p.InputSize = [3]int(size)
	}
	for _, v := range []struct {
		key  string
		from []float64
		to   *[3]float64
	}{{"mean", mean, &p.Mean}, {"std", std, &p.Std}} {
		switch len(v.from) {
		case 0: // timm takes an empty list for its default, too
		case 3:
			*v.to = [3]float64(v.from)
		default:
			return p, o.wrong(v.key, fmt.Sprint(v.from), "three numbers, one a channel")
		}
	}
	p.fillZero()
	return p, nil
}

// fillZero puts the defaults where a file has "" or 0, as timm does.
func (p *Pretrained) fillZero() {
	d := defaultPretrained()
	if p.CropPct == 0 {
		p.CropPct = d.CropPct
	}
	for _, s := range []struct{ at, or *string }{
		{&p.Interpolation, &d.Interpolation}, {&p.CropMode, &d.CropMode},
		{&p.FirstConv, &d.FirstConv}, {&p.Classifier, &d.Classifier},
	} {
		if *s.at == "" {
			*s.at = *s.or
		}
	}
}

func (p *Pretrained) setNotes(raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		p.Notes = []string{one}
		return nil
	}
	return json.Unmarshal(raw, &p.Notes)
}

// preprocess says the same in vision's types, unchecked.
func (p *Pretrained) preprocess() (vision.Preprocess, error) {
	ip, err := vision.ParseInterpolation(p.Interpolation)
	v := vision.Preprocess{
		Width: p.InputSize[2], Height: p.InputSize[1],
		CropPct: p.CropPct, CropMode: p.CropMode, Interpolation: ip,
	}
	for c := range 3 {
		v.Mean[c], v.Std[c] = float32(p.Mean[c]), float32(p.Std[c])
	}
	return v, err
}

// check finds what no reader could see in a single value. file is for errors.
func (c *Config) check(file string) error {
	o := object{file: file}
	if c.NumClasses <= 0 {
		return o.wrong("num_classes", fmt.Sprint(c.NumClasses), "the number of classes; a model without a classifier cannot be served")
	}
	if c.NumClasses > maxClasses {
		return o.wrong("num_classes", fmt.Sprint(c.NumClasses), fmt.Sprintf("at most %d", maxClasses))
	}
	if n := len(c.LabelNames); n > 0 && n != c.NumClasses {
		return o.wrong("label_names", fmt.Sprintf("%d names long", n), fmt.Sprintf("%d names, as \"num_classes\" says, or correct that", c.NumClasses))
	}
	pre, err := c.Pretrained.preprocess()
	if err == nil {
		err = pre.Validate()
	}
	if err != nil {
		return fmt.Errorf("cannot use %q: \"pretrained_cfg\": %w", file, err)
	}
	return nil
}

func (c *Config) encode() ([]byte, error) {
	var m members
	if c.Architecture != "" {
		m.add("architecture", c.Architecture)
	}
	m.add("num_classes", c.NumClasses)
	if c.NumFeatures != 0 {
		m.add("num_features", c.NumFeatures)
	}
	if c.GlobalPool != "" {
		m.add("global_pool", c.GlobalPool)
	}
	if len(c.LabelNames) > 0 {
		m.add("label_names", c.LabelNames)
	}
	if len(c.LabelDescriptions) > 0 {
		m.add("label_descriptions", c.LabelDescriptions)
	}
	if c.ModelArgs != nil {
		m.add("model_args", c.ModelArgs)
	}
	m.add("pretrained_cfg", c.Pretrained.members(c.NumClasses))
	m.addRest(c.rest)
	return m.encode()
}

func (p *Pretrained) members(numClasses int) members {
	var m members
	if p.Tag != "" {
		m.add("tag", p.Tag)
	}
	m.add("input_size", p.InputSize)
	m.add("interpolation", p.Interpolation)
	m.add("crop_pct", p.CropPct)
	m.add("crop_mode", p.CropMode)
	m.add("mean", p.Mean)
	m.add("std", p.Std)
	m.add("num_classes", numClasses)
	m.add("first_conv", p.FirstConv)
	m.add("classifier", p.Classifier)
	if len(p.Notes) > 0 {
		m.add("notes", p.Notes)
	}
	m.addRest(p.rest)
	return m
}

// stemNotePrefix marks the note about the stem, so that it is written once.
const stemNotePrefix = "torchlit: CIFAR stem."

// noteStem tells timm's users in timm's own place for notes what to expect.
// The variant itself cannot be written in config.json: timm's ResNet has no
// argument for it, and its PretrainedCfg refuses keys that it does not know.
func (p *Pretrained) noteStem() {
	if slices.ContainsFunc(p.Notes, func(s string) bool { return strings.HasPrefix(s, stemNotePrefix) }) {
		return
	}
	note := stemNotePrefix + " conv1 is a 3x3 convolution of stride 1 and there is no max-pool. " +
		"timm's ResNet has no option for that: create_model('local-dir:...', pretrained=True) stops with a size mismatch for conv1.weight. " +
		"To load the weights, create the model with pretrained=False and num_classes as above, " +
		"set model.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False) and model.maxpool = torch.nn.Identity(), " +
		"then model.load_state_dict(safetensors.torch.load_file('model.safetensors'))."
	if p.FirstConv == deepFirstConv {
		note = stemNotePrefix + " the first convolution has stride 1 and there is no max-pool. " +
			"timm's ResNet has no option for that: create_model('local-dir:...', pretrained=True) loads the weights, but computes something else. " +
			"After it, set model.conv1[0].stride = (1, 1) and model.maxpool = torch.nn.Identity()."
	}
	p.Notes = append(slices.Clone(p.Notes), note)
}
