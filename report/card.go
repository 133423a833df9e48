package report

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"text/template"

	"gopkg.in/yaml.v3"

	"github.com/torchlit/torchlit/evaluate"
)

// ModelCard is what a model's card says. What is empty is left out; Name and
// Architecture must be there.
type ModelCard struct {
	Name         string // such as "cifar10-resnet18"
	Architecture string // timm's name
	Summary      string // a sentence or two on what it is, in Markdown
	License      string // its SPDX name in lower case, as the hub has it: "apache-2.0"
	Tags         []string
	BaseModel    string // the hub's name of the model that it was fine-tuned from

	Labels      []string
	Height      int // of the input, in pixels
	Width       int
	Parameters  int64
	CIFARStem   bool    // 3×3 stem without max-pool, which timm has to be told
	Temperature float64 // of the softmax; 0 when not calibrated

	Dataset     string // for people: "CIFAR-10"
	DatasetID   string // the hub's: "cifar10"
	Split       string // that the results are of: "test"
	TrainImages int
	TestImages  int

	// Recipe tells how it was trained, in Markdown. Command repeats it, one
	// argument each. Hyperparameters are shown in order; Config is the whole
	// configuration as YAML.
	Recipe          string
	Command         []string
	Hyperparameters []Fact
	Config          string

	// Results are what an evaluation measured on Split; nil when there was none.
	Results *evaluate.Report
	// Curves is a picture of the training curves, relative to the card.
	Curves string

	IntendedUse string   // in Markdown; "" for a general sentence
	Limitations []string // a sentence each, in Markdown, beside those that follow from the rest
	Versions    []Fact   // of what trained it
}

// The card's most rows: a card of 1,000 classes is not read.
const (
	cardLabels  = 40
	cardClasses = 25
	cardPairs   = 8
)

var cardTemplate = template.Must(template.New("card.md").Funcs(template.FuncMap{
	"percent": percent, "percent1": percent1, "share": share, "count": count, "cell": cell, "shell": shell,
	"number": number, "trim": strings.TrimSpace, "fence": fence,
}).ParseFS(files, "card.md"))

// Card renders the README.md of a model folder: front matter as the Hugging Face
// hub reads it, https://huggingface.co/docs/hub/model-cards, then what the model
// is for, how it was made, what it is worth and how to use it.
func Card(c ModelCard) ([]byte, error) {
	if c.Name == "" || c.Architecture == "" {
		return nil, fmt.Errorf("cannot write a card for a model named %q of architecture %q: both are needed", c.Name, c.Architecture)
	}
	var b bytes.Buffer
	b.WriteString("---\n")
	front := yaml.NewEncoder(&b)
	front.SetIndent(2)
	if err := front.Encode(c.frontMatter()); err != nil {
		return nil, fmt.Errorf("cannot write the card's front matter: %w", err)
	}
	b.WriteString("---\n\n")
	if err := cardTemplate.Execute(&b, cardView{c}); err != nil {
		return nil, fmt.Errorf("cannot write the card: %w", err)
	}
	return b.Bytes(), nil
}

// frontMatter has the hub's keys in its usual order.
type frontMatter struct {
	License   string      `yaml:"license,omitempty"`
	Library   string      `yaml:"library_name"`
	Pipeline  string      `yaml:"pipeline_tag"`
	Tags      []string    `yaml:"tags"`
	Datasets  []string    `yaml:"datasets,omitempty"`
	Metrics   []string    `yaml:"metrics,omitempty"`
	BaseModel string      `yaml:"base_model,omitempty"`
	Index     []modelItem `yaml:"model-index,omitempty"`
}

type modelItem struct {
	Name    string       `yaml:"name"`
	Results []cardResult `yaml:"results"`
}

type cardResult struct {
	Task    hubTask     `yaml:"task"`
	Dataset hubDataset  `yaml:"dataset"`
	Metrics []hubMetric `yaml:"metrics"`
}

type hubTask struct {
	Type string `yaml:"type"`
	Name string `yaml:"name"`
}

type hubDataset struct {
	Name  string `yaml:"name"`
	Type  string `yaml:"type"`
	Split string `yaml:"split,omitempty"`
}

type hubMetric struct {
	Type  string  `yaml:"type"`
	Name  string  `yaml:"name"`
	Value float64 `yaml:"value"`
}

func round(v float64) float64 { return math.Round(1e6*v) / 1e6 }

const imageClassification = "image-classification"

func (c ModelCard) frontMatter() frontMatter {
	f := frontMatter{
		License: c.License, Library: "timm", Pipeline: imageClassification, BaseModel: c.BaseModel,
		Tags: []string{imageClassification, "timm", "torchlit"},
	}
	for _, tag := range c.Tags {
		if !slices.Contains(f.Tags, tag) {
			f.Tags = append(f.Tags, tag)
		}
	}
	if c.DatasetID != "" {
		f.Datasets = []string{c.DatasetID}
	}
	if r := c.Results; r != nil && r.N > 0 {
		f.Metrics = []string{"accuracy", "f1"}
		dataset := hubDataset{Name: c.Dataset, Type: c.DatasetID, Split: c.Split}
		if dataset.Name == "" { // the hub wants both
			dataset.Name = "its own test images"
		}
		if dataset.Type == "" {
			dataset.Type = "imagefolder"
		}
		f.Index = []modelItem{{c.Name, []cardResult{{
			Task: hubTask{imageClassification, "Image Classification"}, Dataset: dataset,
			Metrics: []hubMetric{
				{"accuracy", "Accuracy", round(r.Accuracy)}, {"f1", "Macro F1", round(r.Macro.F1)},
				{"loss", "Log loss", round(r.LogLoss)}, {"ece", "Expected calibration error", round(r.ECE)},
			},
		}}}}
	}
	return f
}

// cardView is what card.md sees.
type cardView struct{ ModelCard }

// Start are the commands that try the model.
func (v cardView) Start() string {
	name := shell([]string{"./" + v.Name})
	return "torchlit predict --model " + name + " photo.jpg\ntorchlit serve --models " + name
}

// Timm is how timm loads the folder and uses it. Its ResNet has no option for the
// CIFAR stem.
func (v cardView) Timm() string {
	var b strings.Builder
	folder := "local-dir:" + v.Name
	if v.CIFARStem {
		fmt.Fprintf(&b, "import timm, torch\nfrom PIL import Image\nfrom safetensors.torch import load_file\n\n")
		fmt.Fprintf(&b, "model = timm.create_model(%q, pretrained=False, num_classes=%d)\n", folder, len(v.Labels))
		fmt.Fprintf(&b, "model.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)\nmodel.maxpool = torch.nn.Identity()\n")
		fmt.Fprintf(&b, "model.load_state_dict(load_file(%q))\n", v.Name+"/model.safetensors")
	} else {
		fmt.Fprintf(&b, "import timm\nfrom PIL import Image\n\nmodel = timm.create_model(%q, pretrained=True)\n", folder)
	}
	logits := "model(x)"
	if v.Temperature > 0 {
		logits = fmt.Sprintf("(model(x) / %s)", number(v.Temperature))
	}
	fmt.Fprintf(&b, `model.eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
x = transform(Image.open("photo.jpg").convert("RGB")).unsqueeze(0)
probabilities = %s.softmax(-1)`, logits)
	return b.String()
}

// Known names the classes, as many as are read.
func (v cardView) Known() string {
	shown := v.Labels[:min(cardLabels, len(v.Labels))]
	cells := make([]string, len(shown))
	for i, label := range shown {
		cells[i] = cell(label)
	}
	out := strings.Join(cells, ", ")
	if left := len(v.Labels) - len(shown); left > 0 {
		out += fmt.Sprintf(" and %s more", count(left))
	}
	return out
}

// Millions are the parameters for people.
func (v cardView) Millions() string { return fmt.Sprintf("%.1f M", float64(v.Parameters)/1e6) }

// Classes are those that have images, or the worst ones of many.
func (v cardView) Classes() []evaluate.Class {
	var classes []evaluate.Class
	for _, c := range v.Results.PerClass {
		if c.N > 0 {
			classes = append(classes, c)
		}
	}
	if len(classes) <= cardClasses {
		return classes
	}
	slices.SortStableFunc(classes, func(a, b evaluate.Class) int {
		switch {
		case a.F1 < b.F1:
			return -1
		case a.F1 > b.F1:
			return 1
		}
		return 0
	})
	return classes[:cardClasses]
}

// Worst is whether Classes leaves some out.
func (v cardView) Worst() bool { return len(v.Results.PerClass) > cardClasses }

// Pairs are the commonest confusions.
func (v cardView) Pairs() []evaluate.Pair {
	return v.Results.Confused[:min(cardPairs, len(v.Results.Confused))]
}

// Tell are the limitations: those that any such model has, and its own.
func (v cardView) Tell() []string {
	out := []string{"It answers with one of its classes whatever the picture shows, often with confidence: " +
		"a picture of something else has no answer of its own."}
	if v.Height > 0 && v.Height <= 64 {
		out = append(out, fmt.Sprintf("It sees %d×%d pixels. What is small in a photo is gone before it looks.", v.Width, v.Height))
	}
	if v.Dataset != "" {
		out = append(out, fmt.Sprintf("It learned from %s. Pictures of another kind, from another camera or with another framing, are recognised "+
			"less well than its results say.", v.Dataset))
	}
	if r := v.Results; r != nil && r.N > 0 {
		out = append(out, fmt.Sprintf("Its results are those of %s: an accuracy between %s and %s, with 95 %% confidence, for more images of the same kind.",
			images(r.N), percent(r.AccuracyInterval[0]), percent(r.AccuracyInterval[1])))
	} else {
		out = append(out, "It has not been evaluated.")
	}
	if v.Temperature == 0 {
		out = append(out, "Its probabilities are not calibrated.")
	}
	return append(out, v.Limitations...)
}

// Calibrated says in words what the calibration error means.
func (v cardView) Calibrated() string {
	c := v.Results.Calibration
	out := fmt.Sprintf("Mean confidence %s, accuracy %s; expected calibration error %s (15 bins of equal width; %s with equally many images a bin).",
		percent(c.Confidence), percent(c.Accuracy), percent(c.ECE), percent(c.AdaptiveECE))
	if v.Temperature > 0 {
		return fmt.Sprintf("Its logits are divided by a temperature of %s before the softmax (`temperature` in `torchlit.json`). ", number(v.Temperature)) + out
	}
	return out
}

// cell is text in a Markdown table or sentence: it starts no markup and ends no
// cell.
func cell(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch r {
		case '\n', '\r', '\t':
			r = ' '
		case '&':
			b.WriteString("&amp;")
			continue
		case '<':
			b.WriteString("&lt;")
			continue
		case '|', '*', '_', '`', '[', ']', '\\', '~', '#', '$':
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// fence encloses text in a code block that it cannot end.
func fence(language, text string) string {
	marks := "```"
	for strings.Contains(text, marks) {
		marks += "`"
	}
	return marks + language + "\n" + strings.TrimRight(text, "\n") + "\n" + marks
}
