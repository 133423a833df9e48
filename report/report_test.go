package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/report"
)

// answers are those of a classifier that is right two times out of three or so,
// on n images of the first "shown" of k classes.
func answers(k, shown, n int) evaluate.Answers {
	rng := rand.New(rand.NewPCG(uint64(k), uint64(n)))
	var a evaluate.Answers
	for i := range k {
		a.Labels = append(a.Labels, fmt.Sprintf("class %d", i))
	}
	for range n {
		truth := rng.IntN(shown)
		p, total := make([]float32, k), float32(0)
		for j := range p {
			p[j] = float32(math.Exp(rng.NormFloat64()))
			if j == truth {
				p[j] *= 6
			}
			total += p[j]
		}
		for j := range p {
			p[j] /= total
		}
		a.Truth, a.Probabilities = append(a.Truth, truth), append(a.Probabilities, p)
	}
	return a
}

func evaluation(a evaluate.Answers) report.Evaluation {
	e := report.Evaluation{
		Model: "model", Data: "images", Created: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Answers: a,
		Facts:   []report.Facts{{Title: "Model", Rows: []report.Fact{{Name: "architecture", Value: "resnet18"}}}},
		Command: []string{"torchlit", "eval", "--data", "my images"},
	}
	for i := range a.Truth {
		e.Files = append(e.Files, fmt.Sprintf("%d.jpg", i))
	}
	e.Thumbnail = func(int) ([]byte, error) { return picture(png.Encode), nil }
	return e
}

func picture(encode func(io.Writer, image.Image) error) []byte {
	img := image.NewNRGBA(image.Rect(0, 0, 4, 4))
	img.Set(1, 1, color.White)
	var b bytes.Buffer
	if err := encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// write makes the report and returns its folder and its page, parsed.
func write(t *testing.T, e report.Evaluation) (dir string, page *html.Node) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "made", "report")
	require.NoError(t, report.Write(dir, e))
	data, err := os.ReadFile(filepath.Join(dir, "index.html"))
	require.NoError(t, err)
	checkFigures(t, dir)
	return dir, parse(t, data)
}

// pageOf makes the page alone.
func pageOf(t *testing.T, e report.Evaluation) *html.Node {
	t.Helper()
	data, err := report.Page(e)
	require.NoError(t, err)
	return parse(t, data)
}

func parse(t *testing.T, data []byte) *html.Node {
	t.Helper()
	page, err := html.Parse(bytes.NewReader(data))
	require.NoError(t, err)
	checkPage(t, page)
	return page
}

// find returns the elements for which want holds.
func find(n *html.Node, want func(n *html.Node) bool) (found []*html.Node) {
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && want(d) {
			found = append(found, d)
		}
	}
	return found
}

func named(names ...string) func(n *html.Node) bool {
	return func(n *html.Node) bool {
		for _, name := range names {
			if n.Data == name {
				return true
			}
		}
		return false
	}
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// text is what an element shows.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && d.Parent.Data != "style" && d.Parent.Data != "script" {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// checkPage holds every page to what all must be: alone, whole, and ours.
func checkPage(t *testing.T, page *html.Node) {
	t.Helper()
	ids := map[string]bool{}
	for _, n := range find(page, func(*html.Node) bool { return true }) {
		for _, a := range n.Attr {
			assert.False(t, strings.HasPrefix(a.Key, "on"), "a handler in an attribute: %s", a.Key)
			assert.NotContains(t, a.Val, "ZgotmplZ", "the template engine found %s=%q unsafe", a.Key, a.Val)
			switch a.Key {
			case "id":
				if n.Namespace == "" {
					assert.False(t, ids[a.Val], "two elements are called %q", a.Val)
					ids[a.Val] = true
				}
			case "src", "srcset", "data", "action", "poster":
				assert.True(t, strings.HasPrefix(a.Val, "data:"), "%s loads %q", n.Data, a.Val)
			case "href":
				assert.Regexp(t, `^(#|data:)`, a.Val)
			}
		}
	}
	for _, link := range find(page, named("a")) {
		assert.True(t, ids[strings.TrimPrefix(attr(link, "href"), "#")], "nothing is called %s", attr(link, "href"))
	}
	assert.Len(t, find(page, named("script")), 1)
	assert.Empty(t, find(page, named("iframe", "object", "embed", "base", "form")))
	styles := find(page, named("style"))
	require.Len(t, styles, 1)
	assert.NotRegexp(t, `url\(|@import`, render(t, styles[0]))
	for _, svg := range find(page, named("svg")) {
		if attr(svg, "class") == "figure" {
			assert.NotEmpty(t, attr(svg, "aria-label"))
			assert.NotRegexp(t, regexp.MustCompile(`(fill|stroke):#`), render(t, svg), "a colour that does not turn dark")
		}
	}
	assert.NotContains(t, text(page), "NaN")
}

func render(t *testing.T, n *html.Node) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, html.Render(&b, n))
	return b.String()
}

// checkFigures decodes the figures.
func checkFigures(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "figures", "*"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 14)
	for _, file := range files {
		checkFigure(t, file)
	}
}

func checkFigure(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	if filepath.Ext(file) == ".png" {
		img, err := png.Decode(bytes.NewReader(data))
		require.NoError(t, err, file)
		assert.Greater(t, img.Bounds().Dx(), 200, file)
		return
	}
	assert.NotContains(t, string(data), "NaN", file)
	assert.NotContains(t, string(data), "Inf", file)
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		if _, err := d.Token(); err != nil {
			require.Equal(t, io.EOF, err, file)
			return
		}
	}
}

func TestWrite(t *testing.T) {
	e := evaluation(answers(10, 9, 400))
	dir, page := write(t, e)
	assert.Contains(t, text(find(page, named("h1"))[0]), "model")
	table := find(page, func(n *html.Node) bool { return attr(n, "class") == "sortable" })
	require.Len(t, table, 1)
	rows := find(find(table[0], named("tbody"))[0], named("tr"))
	assert.Len(t, rows, 10)
	assert.Contains(t, text(rows[9]), "–", "the recall of a class without images is not known")
	assert.Contains(t, text(page), "One class has no images here, so nothing is known of how it is recognised: class 9.")
	pictures := find(page, named("img"))
	assert.Len(t, pictures, 24)
	assert.True(t, strings.HasPrefix(attr(pictures[0], "src"), "data:image/png;base64,"))
	assert.Len(t, find(page, named("figure")), 7)
	assert.Contains(t, text(page), "torchlit eval --data 'my images'")

	var metrics map[string]float64
	readJSON(t, filepath.Join(dir, "metrics.json"), &metrics)
	want := evaluate.Measure(e.Answers)
	assert.Equal(t, want.Accuracy, metrics["accuracy"])
	assert.Equal(t, want.ECE, metrics["ece"])
	assert.Equal(t, 1.0, metrics["classes_without_images"])
	assert.Contains(t, metrics, "roc_auc_macro")
}

func readJSON(t *testing.T, file string, v any) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, v))
}

func readCSV(t *testing.T, file string) [][]string {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	return rows
}

// TestTables: another program finds in the tables what the page shows.
func TestTables(t *testing.T) {
	e := evaluation(answers(6, 6, 120))
	dir, _ := write(t, e)
	predictions := readCSV(t, filepath.Join(dir, "predictions.csv"))
	require.Len(t, predictions, 121)
	assert.Equal(t, []string{"file", "actual", "predicted", "probability", "correct"}, predictions[0])
	right := 0
	for _, row := range predictions[1:] {
		assert.Equal(t, row[1] == row[2], row[4] == "true")
		if row[4] == "true" {
			right++
		}
	}
	r := evaluate.Measure(e.Answers)
	assert.InDelta(t, r.Accuracy, float64(right)/120, 1e-9)

	var confusion []struct{ Actual, Predicted string }
	readJSON(t, filepath.Join(dir, "confusion.json"), &confusion)
	require.Len(t, confusion, 120)
	assert.Equal(t, predictions[120][1:3], []string{confusion[119].Actual, confusion[119].Predicted})

	for _, name := range []string{"calibration.csv", "calibration_refitted.csv"} {
		images := 0.0
		for _, row := range readCSV(t, filepath.Join(dir, name))[1:] {
			images += number(t, row[2])
		}
		assert.Equal(t, 120.0, images, name)
	}
	roc := readCSV(t, filepath.Join(dir, "roc_classes.csv"))
	assert.Equal(t, []string{"class", "false_positive_rate", "true_positive_rate", "threshold"}, roc[0])
	assert.Equal(t, []string{"micro average", "0", "0", ""}, roc[1])
	assert.Equal(t, []string{"class 5", "1", "1"}, roc[len(roc)-1][:3])
	mean := readCSV(t, filepath.Join(dir, "roc.csv"))
	assert.Equal(t, [][]string{{"false_positive_rate", "true_positive_rate"}, {"1", "1"}}, [][]string{mean[0], mean[len(mean)-1]})
	assert.Equal(t, []string{"0", "1"}, readCSV(t, filepath.Join(dir, "precision_recall.csv"))[1])
	assert.Len(t, readCSV(t, filepath.Join(dir, "per_class.csv")), 7)
	assert.Greater(t, len(readCSV(t, filepath.Join(dir, "precision_recall_classes.csv"))), 100)
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	var v float64
	_, err := fmt.Sscan(s, &v)
	require.NoError(t, err)
	return v
}

// TestEscaping: names are text, whatever they look like.
func TestEscaping(t *testing.T) {
	evil := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</style></title>`, `{{.Model}}`,
		"a,b\n\"c\"", `' onload='x`, "名前", `<svg onload=x>`,
	}
	a := answers(len(evil), len(evil), 200)
	a.Labels = evil
	e := evaluation(a)
	e.Model, e.Data, e.Command = evil[0], evil[1], evil
	e.Facts = []report.Facts{{Title: evil[2], Rows: []report.Fact{{Name: evil[0], Value: evil[1]}}}}
	for i := range e.Files {
		e.Files[i] = evil[i%len(evil)]
	}
	dir, page := write(t, e)
	assert.Len(t, find(page, named("img")), 24, "the thumbnails and no other picture")
	for _, label := range evil {
		assert.Contains(t, text(page), label)
	}
	assert.Equal(t, evil[4], readCSV(t, filepath.Join(dir, "per_class.csv"))[5][0])
}

// TestControlCharacters: what XML cannot hold does not get into the figures.
func TestControlCharacters(t *testing.T) {
	a := answers(3, 3, 30)
	a.Labels = []string{"a\x00b\x1b[31m", "\xff\xfe", "two\nlines\tand\ttabs"}
	write(t, evaluation(a))
}

// TestSizes: whatever there is to show, there is a page.
func TestSizes(t *testing.T) {
	f := func(a evaluate.Answers) *html.Node {
		t.Helper()
		return pageOf(t, evaluation(a))
	}
	f(answers(1, 1, 5))
	f(answers(2, 2, 30))
	f(answers(24, 20, 50))
	f(answers(25, 20, 50))
	f(answers(3, 3, 1))
	write(t, evaluation(answers(0, 0, 0)))
	_, page := write(t, evaluation(answers(300, 250, 400)))
	assert.Contains(t, text(page), "The classes confused most")
	assert.Contains(t, text(page), "classes have no images here")
	// Above two thousand classes there is no matrix, and the table has the largest.
	page = f(answers(3000, 3000, 30))
	assert.Contains(t, text(page), "Of 3,000 classes, the table has those with the most images")

	nothing := f(answers(3, 3, 0))
	assert.Contains(t, text(nothing), "There are no images")
	assert.Empty(t, find(nothing, func(n *html.Node) bool { return attr(n, "id") == "mistakes" }))

	perfect := evaluate.Answers{Labels: []string{"a", "b"}, Truth: []int{0, 1}, Probabilities: [][]float32{{1, 0}, {0, 1}}}
	assert.Contains(t, text(f(perfect)), "It makes no mistake on these images.")
	same := evaluate.Answers{Labels: []string{"a", "b"}, Truth: []int{0, 0, 1}, Probabilities: [][]float32{{0.5, 0.5}, {0.5, 0.5}, {0.5, 0.5}}}
	f(same)
}

// TestTemperature: a model that is served at a temperature has three columns.
func TestTemperature(t *testing.T) {
	e := evaluation(answers(10, 10, 300))
	page := pageOf(t, e)
	assert.NotContains(t, text(page), "1, none")
	e.Temperature = 1.7
	page = pageOf(t, e)
	assert.Contains(t, text(page), "1, none")
	assert.Contains(t, text(page), "1.7, as served")
}

// TestAdvice: a temperature is recommended where it is worth something.
func TestAdvice(t *testing.T) {
	f := func(says string, served float64, n int) {
		t.Helper()
		a := answers(5, 5, n)
		e := evaluation(a)
		if served == 0 {
			served = evaluate.Recalibrate(a, 1).Temperature
			for _, row := range a.Probabilities {
				total := float32(0)
				for j, p := range row {
					row[j] = float32(math.Pow(float64(p), 1/served))
					total += row[j]
				}
				for j := range row {
					row[j] /= total
				}
			}
		}
		e.Temperature = served
		assert.Contains(t, text(pageOf(t, e)), says)
	}
	f(`write "temperature": `, 3, 2000)
	f("The temperature that the model is served with is as good.", 0, 2000)
	f("too few", 1, 50)
}

// TestConcurrent: several reports may be drawn at once.
func TestConcurrent(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			_, err := report.Page(evaluation(answers(4+i, 4, 50)))
			assert.NoError(t, err)
		})
	}
	wg.Wait()
}

func TestThumbnails(t *testing.T) {
	e := evaluation(answers(4, 4, 60))
	e.Mistakes = 3
	e.Thumbnail = func(int) ([]byte, error) {
		return picture(func(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, nil) }), nil
	}
	page := pageOf(t, e)
	pictures := find(page, named("img"))
	require.Len(t, pictures, 3)
	assert.True(t, strings.HasPrefix(attr(pictures[0], "src"), "data:image/jpeg;base64,"))

	e.Thumbnail = func(int) ([]byte, error) { return []byte("<svg onload=alert(1)>"), nil }
	page = pageOf(t, e)
	assert.Empty(t, find(page, named("img")), "neither PNG nor JPEG is no picture")

	e.Thumbnail, e.Files = nil, nil
	page = pageOf(t, e)
	assert.Empty(t, find(page, named("img")))

	e.Thumbnail = func(int) ([]byte, error) { return nil, errors.New("the disk is gone") }
	assert.ErrorContains(t, report.Write(t.TempDir(), e), "the disk is gone")
}

func TestWriteErrors(t *testing.T) {
	f := func(says string, change func(e *report.Evaluation)) {
		t.Helper()
		e := evaluation(answers(3, 3, 10))
		change(&e)
		assert.ErrorContains(t, report.Write(t.TempDir(), e), says)
	}
	f("10 answers, 10 true labels and 2 files", func(e *report.Evaluation) { e.Files = e.Files[:2] })
	f("label 7", func(e *report.Evaluation) { e.Answers.Truth[3] = 7 })
	f("probability of NaN", func(e *report.Evaluation) { e.Answers.Probabilities[2][0] = float32(math.NaN()) })
	f("2 probabilities for 3 classes", func(e *report.Evaluation) { e.Answers.Probabilities[2] = []float32{0, 1} })

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	assert.ErrorContains(t, report.Write(filepath.Join(file, "report"), evaluation(answers(3, 3, 10))), "cannot make the report's folder")
}
