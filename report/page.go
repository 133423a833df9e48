package report

import (
	"bytes"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/web"
)

//go:embed page.html page.css page.js card.md loadtest.html drift.html
var files embed.FS

var pageTemplate = template.Must(template.ParseFS(files, "page.html"))

const (
	// rowsLimit is the number of classes that the page's table has at most.
	rowsLimit = 2000
	// pairsShown is the number of confused pairs that it lists.
	pairsShown = 12
)

// page is what page.html shows.
type page struct {
	Evaluation
	Style           template.CSS
	Script          template.JS
	Mark            template.HTML
	Images, Classes string

	Tiles    []tile
	Findings []string
	Sections []struct{ ID, Title string }

	Rows, Means []classRow
	RowsLeftOut string
	ClassFigure drawn
	Confusion   []drawn
	Pairs       []pairRow
	Mistakes    []mistake

	Reliability, Coverage, ROC, PrecisionRecall, Distribution drawn

	Calibrations    []struct{ Name string }
	CalibrationRows []calibrationRow
	CalibrationNote string
	DataFacts       []Fact
	Command         string
}

// drawn is a figure for the page.
type drawn struct {
	Title string
	SVG   template.HTML
}

type tile struct {
	Name, Value, Note string
	First             bool
}

type classRow struct {
	Label, N, Predicted, Precision, Recall, F1, AUC, AP string
	Share                                               float64
}

type pairRow struct {
	Truth, Predicted, N, Share string
	Part                       float64
}

type mistake struct {
	Truth, Predicted, Confidence, TruthProbability, File string
	Picture                                              template.URL
}

type calibrationRow struct {
	Name   string
	Values []string
}

// render makes the page.
func (m measured) render() ([]byte, error) {
	p, err := m.page()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("cannot make the page: %w", err)
	}
	return b.Bytes(), nil
}

func (m measured) page() (*page, error) {
	p := &page{
		Evaluation: m.Evaluation, Style: template.CSS(asset("page.css")), Script: template.JS(asset("page.js")),
		Mark: template.HTML(mark()), Images: images(m.report.N), Classes: classes(len(m.report.Labels)),
		Tiles: m.tiles(), Findings: m.findings(), DataFacts: m.dataFacts(), Command: shell(m.Evaluation.Command),
		Pairs: m.pairs(), Means: m.means(),
	}
	for i := range p.Tiles {
		p.Tiles[i].Note = unbroken(p.Tiles[i].Note)
	}
	for i := range p.Findings {
		p.Findings[i] = unbroken(p.Findings[i])
	}
	p.Rows, p.RowsLeftOut = m.rows()
	p.calibration(m.recalibration)
	if err := p.draw(m); err != nil {
		return nil, err
	}
	var err error
	if p.Mistakes, err = m.worst(); err != nil {
		return nil, err
	}
	for _, s := range []struct{ id, title string }{
		{"classes", "Classes"}, {"confusion", "Confusion"}, {"mistakes", "Worst mistakes"}, {"calibration", "Calibration"},
		{"curves", "Thresholds"}, {"data", "Images"}, {"setup", "Set-up"},
	} {
		if s.id != "mistakes" || len(p.Mistakes) > 0 {
			p.Sections = append(p.Sections, struct{ ID, Title string }{s.id, s.title})
		}
	}
	return p, nil
}

// unbroken keeps a number and its per cent sign on one line.
func unbroken(text string) string { return strings.ReplaceAll(text, " %", "\u00a0%") }

// draw draws the figures.
func (p *page) draw(m measured) error {
	var errs error
	inline := func(f figure) drawn {
		svg, err := f.inline()
		if err != nil && errs == nil {
			errs = fmt.Errorf("cannot draw %s: %w", f.name, err)
		}
		return drawn{f.title, template.HTML(svg)}
	}
	p.ClassFigure = inline(classFigure(m.report))
	for _, f := range confusionFigures(m.report) {
		p.Confusion = append(p.Confusion, inline(f))
	}
	p.Reliability, p.Coverage = inline(reliabilityFigure(m.recalibration)), inline(coverageFigure(m.coverage))
	p.ROC, p.PrecisionRecall = inline(rocFigure(m.roc)), inline(precisionRecallFigure(m.pr))
	p.Distribution = inline(distributionFigure(m.report))
	return errs
}

func asset(name string) string {
	b, err := files.ReadFile(name)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return string(b)
}

// mark is the sign of the upload page.
func mark() string {
	b, err := fs.ReadFile(web.Static, "favicon.svg")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return strings.Replace(string(b), "<svg ", `<svg aria-hidden="true" `, 1)
}

func classes(n int) string {
	if n == 1 {
		return "1 class"
	}
	return count(n) + " classes"
}

// rows are the classes with their figures. Of very many, those with the most
// images stay.
func (m measured) rows() (rows []classRow, leftOut string) {
	least := 0
	if len(m.report.PerClass) > rowsLimit {
		least = nthLargest(m.report.PerClass, rowsLimit)
		leftOut = fmt.Sprintf("Of %s classes, the table has those with the most images; per_class.csv has all.", count(len(m.report.PerClass)))
	}
	for i, c := range m.report.PerClass {
		if c.N < least || len(rows) == rowsLimit {
			continue
		}
		rows = append(rows, classRow{
			Label: c.Label, N: count(c.N), Predicted: count(c.Predicted),
			Precision: unless(c.Predicted == 0, share(c.Precision)), Recall: unless(c.N == 0, share(c.Recall)),
			F1: unless(c.N+c.Predicted == 0, share(c.F1)), Share: math.Round(1000*c.F1) / 1000,
			AUC: area(m.roc.PerClass[i]), AP: area(m.pr.PerClass[i]),
		})
	}
	return rows, leftOut
}

// unless is a figure, or a dash where there is none.
func unless(missing bool, figure string) string {
	if missing {
		return "–"
	}
	return figure
}

func (m measured) means() []classRow {
	row := func(label string, a evaluate.Average, auc, ap string) classRow {
		return classRow{Label: label, N: count(m.report.N), Precision: share(a.Precision), Recall: share(a.Recall), F1: share(a.F1), AUC: auc, AP: ap}
	}
	return []classRow{
		row("mean of the classes", m.report.Macro, area(m.roc.Macro), area(m.pr.Macro)),
		row("weighted by images", m.report.Weighted, "", ""),
	}
}

func (m measured) pairs() (rows []pairRow) {
	most := 0.0
	for _, p := range m.report.Confused[:min(pairsShown, len(m.report.Confused))] {
		part := float64(p.N) / float64(m.report.PerClass[p.Truth].N)
		rows = append(rows, pairRow{
			Truth: m.report.Labels[p.Truth], Predicted: m.report.Labels[p.Predicted],
			N: count(p.N), Share: share(part) + " %", Part: part,
		})
		most = max(most, part)
	}
	for i := range rows { // bars as long as the column for the largest share
		rows[i].Part = math.Round(1000*rows[i].Part/most) / 1000
	}
	return rows
}

func (m measured) worst() (list []mistake, err error) {
	for _, w := range m.mistakes {
		one := mistake{
			Truth: m.report.Labels[w.Truth], Predicted: m.report.Labels[w.Predicted],
			Confidence: percent1(float64(w.Confidence)), TruthProbability: percent1(float64(w.TruthProbability)),
		}
		if m.Files != nil {
			one.File = m.Files[w.Image]
		}
		if m.Thumbnail != nil {
			if one.Picture, err = m.picture(w.Image); err != nil {
				return nil, err
			}
		}
		list = append(list, one)
	}
	return list, nil
}

// percent1 is a probability with one digit. One that is not quite 1 or 0 does not
// become it.
func percent1(p float64) string {
	switch {
	case p > 0.9995 && p < 1:
		return "> 99.9 %"
	case p < 0.0005 && p > 0:
		return "< 0.1 %"
	}
	return share(p) + " %"
}

func (m measured) picture(i int) (template.URL, error) {
	data, err := m.Thumbnail(i)
	if err != nil {
		return "", fmt.Errorf("cannot make a thumbnail: %w", err)
	}
	return dataURL(data), nil
}

// dataURL is a PNG or JPEG picture in an address; "" for anything else.
func dataURL(data []byte) template.URL {
	kind := ""
	switch {
	case bytes.HasPrefix(data, []byte("\x89PNG")):
		kind = "png"
	case bytes.HasPrefix(data, []byte("\xff\xd8")):
		kind = "jpeg"
	default:
		return ""
	}
	return template.URL("data:image/" + kind + ";base64," + base64.StdEncoding.EncodeToString(data))
}

// calibration fills in the table of temperatures.
func (p *page) calibration(r evaluate.Recalibration) {
	columns := []struct {
		name string
		c    evaluate.Calibration
	}{{number(r.Served) + ", as served", r.AsServed}, {number(r.Temperature) + ", fitted", r.Refitted}}
	if r.Served != 1 {
		columns = append(columns[:1:1], struct {
			name string
			c    evaluate.Calibration
		}{"1, none", r.Plain}, columns[1])
	}
	rows := []struct {
		name  string
		value func(c evaluate.Calibration) string
	}{
		{"calibration error (ECE)", func(c evaluate.Calibration) string { return percent(c.ECE) }},
		{"adaptive ECE", func(c evaluate.Calibration) string { return percent(c.AdaptiveECE) }},
		{"log loss", func(c evaluate.Calibration) string { return fmt.Sprintf("%.4f", c.LogLoss) }},
		{"Brier score", func(c evaluate.Calibration) string { return fmt.Sprintf("%.4f", c.BrierScore) }},
		{"mean confidence", func(c evaluate.Calibration) string { return percent(c.Confidence) }},
		{"accuracy", func(c evaluate.Calibration) string { return percent(c.Accuracy) }},
	}
	for _, column := range columns {
		p.Calibrations = append(p.Calibrations, struct{ Name string }{column.name})
	}
	for _, row := range rows {
		line := calibrationRow{Name: row.name}
		for _, column := range columns {
			line.Values = append(line.Values, row.value(column.c))
		}
		p.CalibrationRows = append(p.CalibrationRows, line)
	}
	p.CalibrationNote = advice(r)
}

// advice says what to do with a fitted temperature. One at the end of its range,
// or of a few images, is worth nothing.
func advice(r evaluate.Recalibration) string {
	images := 0
	for _, b := range r.AsServed.Bins {
		images += b.N
	}
	if images < 100 || r.Temperature < 0.02 || r.Temperature > 50 {
		return "These images are too few, or too few of them are mistaken, to fit a temperature that could be trusted on others."
	}
	what := "The fitted temperature makes the true labels most likely; its figures are those of images that it was not fitted to, " +
		"each half by the other. "
	if math.Abs(r.Temperature/r.Served-1) < 0.02 {
		return what + "The temperature that the model is served with is as good."
	}
	return what + fmt.Sprintf("To serve with it, write \"temperature\": %s into the model's torchlit.json.",
		strconv.FormatFloat(r.Temperature, 'f', 4, 64))
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }

// shell quotes a command for a POSIX shell.
func shell(args []string) string {
	var quoted []string
	for _, a := range args {
		if a == "" || strings.IndexFunc(a, unsafe) >= 0 {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		quoted = append(quoted, a)
	}
	return strings.Join(quoted, " ")
}

func unsafe(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,", r))
}
