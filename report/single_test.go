package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// svgOf returns the SVG that draw writes.
func svgOf(t *testing.T, draw func(path string) error) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made", "figure.svg")
	if err := draw(path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func holds(t *testing.T, svg string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(svg, ">"+w+"<") {
			t.Errorf("the figure does not say %q", w)
		}
	}
}

func TestSingleConfusion(t *testing.T) {
	labels := []string{"cat", "dog"}
	svg := svgOf(t, func(path string) error { return Confusion(path, labels, [][]int{{31, 7}, {0, 42}}) })
	holds(t, svg, "cat", "dog", "31", "7", "42", "predicted")
	if strings.Contains(svg, ">0<") {
		t.Error("an empty cell has a number")
	}
	for _, bad := range [][][]int{{}, {{1, 2}}, {{1}, {2}}} {
		if err := Confusion(filepath.Join(t.TempDir(), "x.svg"), labels, bad); err == nil {
			t.Errorf("no error for %v", bad)
		}
	}
}

func TestEpochs(t *testing.T) {
	svg := svgOf(t, func(path string) error {
		return Epochs(path, []Column{{"training loss", []float64{2, 1, 0.5}}, {"test accuracy", []float64{0.3, 0.6, 0.8}}})
	})
	holds(t, svg, "training loss", "test accuracy", "epoch")
	if err := Epochs(filepath.Join(t.TempDir(), "x.svg"), []Column{{"height", []float64{1}}}); err == nil {
		t.Error("no error for a run of which nothing can be drawn")
	}
}

func TestBars(t *testing.T) {
	b := Bars{Title: "Rates", Unit: "images/s", X: "batch", Columns: []string{"1", "8"}, Panels: []BarPanel{
		{"fp32", []Bar{{"ours", []float64{10, 20}}, {"theirs", []float64{9, 11}}}}, {"int8", []Bar{{"theirs", []float64{30, 31}}}},
	}}
	svg := svgOf(t, b.Draw)
	holds(t, svg, "Rates", "ours", "theirs", "fp32", "int8", "batch", "images/s", "8")
	if again := svgOf(t, b.Draw); again != svg {
		t.Error("the same bars are drawn otherwise")
	}
	few := b
	few.Panels = []BarPanel{{"fp32", []Bar{{"ours", []float64{10}}}}}
	for _, bad := range []Bars{few, {Columns: []string{"1"}}, {Panels: []BarPanel{{"", []Bar{{"ours", nil}}}}}} {
		if err := bad.Draw(filepath.Join(t.TempDir(), "x.svg")); err == nil {
			t.Errorf("no error for %+v", bad)
		}
	}
}
