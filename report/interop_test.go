//go:build interop

package report_test

import (
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/report"
)

// TestInteropHub: the hub's own library reads the card's front matter and results,
// and a Markdown reader finds no markup in names.
func TestInteropHub(t *testing.T) {
	python := interop.Python(t, "hub")
	c := cifarCard()
	evil := []string{"a|b", "<script>alert(1)</script>", "[x](javascript:alert(1))", "two\nlines", "`code`", "*bold*", "&lt;", "\\", "# head", "---"}
	a := evaluate.Answers{Labels: evil}
	for i := range evil { // one is mistaken
		a.Truth, a.Probabilities = append(a.Truth, i), append(a.Probabilities, spike(len(evil), max(i, 1)))
	}
	results := evaluate.Measure(a)
	c.Labels, c.Results = evil, &results
	out, err := report.Card(c)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "README.md")
	require.NoError(t, os.WriteFile(file, out, 0o644))

	var got struct {
		License, Library, Dataset, DatasetType, Split, Task string
		Accuracy                                            float64
		Tags, Elements                                      []string
		Cells                                               []string
	}
	require.NoError(t, json.Unmarshal([]byte(interop.Run(t, python, "testdata/hub.py", file)), &got))
	assert.Equal(t, []string{"apache-2.0", "timm", "CIFAR-10", "cifar10", "test", "image-classification"},
		[]string{got.License, got.Library, got.Dataset, got.DatasetType, got.Split, got.Task})
	assert.InDelta(t, 0.9, got.Accuracy, 1e-6)
	assert.Contains(t, got.Tags, "torchlit")
	for _, label := range evil {
		assert.Contains(t, got.Cells, strings.ReplaceAll(label, "\n", " "))
	}
	assert.NotContains(t, got.Elements, "em")
	assert.NotContains(t, got.Elements, "script")
}

func spike(n, at int) []float32 {
	p := make([]float32, n)
	p[at] = 1
	return p
}

// TestInteropTimm runs the card's program for timm on the bundled model.
func TestInteropTimm(t *testing.T) {
	python := interop.Python(t, "torch")
	models, err := filepath.Abs(filepath.Join("..", "models"))
	require.NoError(t, err)
	photo := filepath.Join(t.TempDir(), "photo.png")
	require.NoError(t, os.WriteFile(photo, picture(png.Encode), 0o644))
	out, err := report.Card(report.ModelCard{
		Name: "cifar10-resnet18", Architecture: "resnet18", CIFARStem: true, Labels: make([]string, 10), Temperature: 0.8,
	})
	require.NoError(t, err)
	_, program, ok := strings.Cut(string(out), "```python\n")
	require.True(t, ok)
	program, _, _ = strings.Cut(program, "```")
	script := filepath.Join(t.TempDir(), "card.py")
	program = "import os\nos.chdir(" + quoted(models) + ")\n" + strings.ReplaceAll(program, `"photo.jpg"`, quoted(photo)) +
		"\nassert probabilities.shape == (1, 10) and abs(probabilities.sum().item() - 1) < 1e-5\nassert x.shape == (1, 3, 32, 32)\n"
	require.NoError(t, os.WriteFile(script, []byte(program), 0o644))
	interop.Run(t, python, script)
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
