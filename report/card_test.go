package report_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/report"
)

// cifarCard is a card with everything in it.
func cifarCard() report.ModelCard {
	results := evaluate.Measure(answers(10, 10, 300))
	return report.ModelCard{
		Name: "cifar10-resnet18", Architecture: "resnet18", Summary: "A small classifier.", License: "apache-2.0", Tags: []string{"cifar10", "timm"},
		BaseModel: "timm/resnet18.a1_in1k", Labels: results.Labels, Height: 32, Width: 32, Parameters: 11_173_962, CIFARStem: true, Temperature: 0.79,
		Dataset: "CIFAR-10", DatasetID: "cifar10", Split: "test", TrainImages: 50_000, TestImages: 300,
		Recipe: "SGD.", Command: []string{"torchlit", "train", "data.dir=my data"},
		Hyperparameters: []report.Fact{{Name: "optim.lr", Value: "0.1"}}, Config: "optim:\n  lr: 0.1\n",
		Results: &results, Curves: "training_curves.svg", Limitations: []string{"It fears the dark."},
		Versions: []report.Fact{{Name: "torchlit", Value: "v1.2.3"}},
	}
}

// card renders and splits a card.
func card(t *testing.T, c report.ModelCard) (front map[string]any, body string) {
	t.Helper()
	out, err := report.Card(c)
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(out, []byte("---\n")))
	head, rest, ok := bytes.Cut(out[4:], []byte("\n---\n"))
	require.True(t, ok)
	require.NoError(t, yaml.Unmarshal(head, &front))
	body = string(rest)
	assert.NotContains(t, body, "\n\n\n", "two empty lines")
	assert.NotContains(t, body, "<no value>")
	assert.True(t, strings.HasSuffix(body, "\n") && !strings.HasSuffix(body, "\n\n"))
	return front, body
}

func TestCard(t *testing.T) {
	c := cifarCard()
	front, body := card(t, c)
	assert.Equal(t, "apache-2.0", front["license"])
	assert.Equal(t, "timm", front["library_name"])
	assert.Equal(t, []any{"image-classification", "timm", "torchlit", "cifar10"}, front["tags"])
	result := front["model-index"].([]any)[0].(map[string]any)["results"].([]any)[0].(map[string]any)
	assert.Equal(t, map[string]any{"name": "CIFAR-10", "type": "cifar10", "split": "test"}, result["dataset"])
	accuracy := result["metrics"].([]any)[0].(map[string]any)
	assert.InDelta(t, c.Results.Accuracy, accuracy["value"], 1e-6)

	for _, want := range []string{
		"# cifar10-resnet18\n", "## Intended use", "## Use", "## Training", "## Results", "## Calibration", "## Limitations", "## Versions",
		"torchlit train 'data.dir=my data'", "```yaml\noptim:\n  lr: 0.1\n```", "| optim.lr | 0.1 |", "![training curves](training_curves.svg)",
		"torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)", "(model(x) / 0.79)", "curl -F image=@photo.jpg", "- It fears the dark.\n",
		"CIFAR stem (3×3, stride 1, no max-pool), 11.2 M parameters",
	} {
		assert.Contains(t, body, want)
	}
}

// TestCardOfNothing: what is not known is not written.
func TestCardOfNothing(t *testing.T) {
	front, body := card(t, report.ModelCard{Name: "m", Architecture: "resnet50"})
	assert.NotContains(t, front, "license")
	assert.NotContains(t, front, "model-index")
	assert.NotContains(t, body, "## Training")
	assert.NotContains(t, body, "## Results")
	assert.Contains(t, body, `timm.create_model("local-dir:m", pretrained=True)`)
	assert.Contains(t, body, "- It has not been evaluated.")

	empty := evaluate.Measure(evaluate.Answers{Labels: []string{"a"}})
	front, body = card(t, report.ModelCard{Name: "m", Architecture: "resnet50", Results: &empty})
	assert.NotContains(t, front, "model-index")
	assert.NotContains(t, body, "## Results")

	_, err := report.Card(report.ModelCard{Name: "m"})
	assert.ErrorContains(t, err, `of architecture ""`)
}

// TestCardOfMany: a card of many classes shows the worst, and can be read.
func TestCardOfMany(t *testing.T) {
	c := cifarCard()
	results := evaluate.Measure(answers(500, 500, 700))
	c.Results, c.Labels = &results, results.Labels
	_, body := card(t, c)
	assert.Contains(t, body, "class 39 and 460 more |")
	assert.Contains(t, body, "The classes recognised worst:")
	assert.Less(t, strings.Count(body, "\n"), 220)
}

// TestCardEscaping: a name cannot end its cell, its heading or its code.
func TestCardEscaping(t *testing.T) {
	c := cifarCard()
	evil := []string{"a|b", "<script>alert(1)</script>", "[x](javascript:alert(1))", "two\nlines", "`code`", "*bold*", "&lt;", "\\", "# head", "---"}
	results := *c.Results
	results.Labels = evil
	results.PerClass = nil
	for _, label := range evil {
		results.PerClass = append(results.PerClass, evaluate.Class{Label: label, N: 3})
	}
	c.Labels, c.Results = evil, &results
	c.Name, c.License, c.DatasetID = "m'\"; rm", "x: y\n---", "a\n---\nb"
	c.Config = "a: |\n  ```\n  b"
	front, body := card(t, c)
	assert.Equal(t, c.License, front["license"])
	assert.NotContains(t, body, "<script>")
	assert.NotContains(t, body, "[x](")
	assert.Contains(t, body, "````yaml\na: |\n  ```\n  b\n````")
	assert.Contains(t, body, `torchlit predict --model './m'\''"; rm' photo.jpg`)
	// Every row of the table by class has five cells.
	rows := 0
	for _, row := range regexp.MustCompile(`(?m)^\| .* \| 3 \| 0.0 %.*$`).FindAllString(body, -1) {
		assert.Len(t, regexp.MustCompile(`(^|[^\\])\|`).FindAllString(row, -1), 6, row)
		rows++
	}
	assert.Equal(t, len(evil), rows)
	assert.Contains(t, body, `| a\|b | 3 |`)
	assert.Contains(t, body, "| two lines | 3 |")
}
