package report

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"time"

	"github.com/torchlit/torchlit/monitor/detector"
)

// Drift is everything that the report of drift shows.
type Drift struct {
	Model   string // its name and version, for people
	Images  string // where the images that were compared are from, for people
	Created time.Time

	Reference DriftReference
	Windows   []*detector.Result // oldest first; at least one
	Alarm     detector.Alarm     // what they come to
	InRow     int                // windows in a row that raise or clear it
	Alpha     float64            // how likely one drifts by chance

	// Properties are those of images whose values are at hand, for their distributions. It may be empty.
	Properties []DriftProperty

	// Embeddings of the reference and of the newest window: the first two coordinates of each image. Both may be empty.
	ReferencePoints, WindowPoints [][2]float64

	// Strangest are images of the windows that lie furthest from all classes, the furthest first. It may be empty.
	Strangest []DriftImage

	Facts   []Facts
	Command []string // repeats the comparison, one argument each
}

// DriftReference is what the windows are compared with.
type DriftReference struct {
	Source   string  // the set that it was made of
	Images   int     // of the set
	Accuracy float64 // of the model on them
}

// DriftProperty has the values that a property of images has, in the reference and in the newest window.
type DriftProperty struct {
	Name              string // as in the results
	Reference, Window []float64
}

// DriftImage is one image.
type DriftImage struct {
	Name       string // its file or the id of its answer
	Label      string // found likeliest
	Confidence float64
	Score      float64 // out-of-distribution: how far it lies from all classes
	Picture    []byte  // PNG or JPEG; nil shows none
}

// driftPage is what drift.html shows.
type driftPage struct {
	Drift
	Style                 template.CSS
	Mark                  template.HTML
	Headline, CommandLine string
	Tiles                 []tile
	Findings              []string
	Tests                 []driftTest
	Chance, Classes       drawn
	Over, Distributions   []drawn
	Accuracy              drawn
	Points                *drawn
	PropertyRows          []driftPropertyRow
	Strange               []driftPicture
	Windowed              string
}

type driftTest struct {
	ID, Name, About, Score, P, Part string
	Drifted                         bool
}

type driftPropertyRow struct {
	Name, Reference, Window, PSI, P string
	Moved                           bool
}

type driftPicture struct {
	Name, Label, Confidence, Score string
	Picture                        template.URL
}

// driftTemplate borrows the "figure" of page.html.
var driftTemplate = template.Must(template.New("drift.html").ParseFS(files, "page.html", "drift.html"))

// WriteDrift makes the report of a comparison in the folder dir, which is made, and in which older files of the same names are replaced:
//
//	index.html     the page; needs no other file
//	figures/       its figures as .png and .svg
//	windows.json   the windows' results, oldest first
//
// index.html is written last.
func WriteDrift(dir string, d Drift) error {
	if len(d.Windows) == 0 {
		return errors.New("cannot report drift: no window was tested")
	}
	page, err := d.render()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "figures"), 0o755); err != nil {
		return fmt.Errorf("cannot make the report's folder: %w", err)
	}
	for _, f := range d.figures() {
		if err := f.write(filepath.Join(dir, "figures", f.name)); err != nil {
			return err
		}
	}
	for _, file := range []struct {
		name string
		data []byte
	}{{"windows.json", encodeJSON(d.Windows, "  ")}, {"index.html", page}} {
		if err := os.WriteFile(filepath.Join(dir, file.name), file.data, 0o644); err != nil {
			return fmt.Errorf("cannot write the report: %w", err) // names the file
		}
	}
	return nil
}

func (d Drift) newest() *detector.Result { return d.Windows[len(d.Windows)-1] }

// figures are all that there is something for.
func (d Drift) figures() []figure {
	all := []figure{chanceFigure(d), movedFigure(d.newest()), estimateFigure(d)}
	if len(d.Windows) > 1 {
		all = append(all, overWindowsFigure(d))
	}
	for _, p := range d.Properties {
		if len(p.Reference) > 0 && len(p.Window) > 0 {
			all = append(all, propertyFigure(p))
		}
	}
	if len(d.ReferencePoints) > 0 && len(d.WindowPoints) > 0 {
		all = append(all, pointsFigure(d))
	}
	return all
}

func (d Drift) render() ([]byte, error) {
	p := driftPage{
		Drift: d, Style: template.CSS(asset("page.css")), Mark: template.HTML(mark()), Headline: d.headline(), CommandLine: shell(d.Command),
		Tiles: d.tiles(), Findings: d.findings(), Tests: d.tests(), PropertyRows: d.propertyRows(), Windowed: windowed(len(d.Windows)),
	}
	for i := range p.Tiles {
		p.Tiles[i].Note = unbroken(p.Tiles[i].Note)
	}
	for i := range p.Findings {
		p.Findings[i] = unbroken(p.Findings[i])
	}
	for _, s := range d.Strangest {
		p.Strange = append(p.Strange, driftPicture{s.Name, s.Label, percent1(s.Confidence), three(s.Score), dataURL(s.Picture)})
	}
	for _, f := range d.figures() {
		svg, err := f.inline()
		if err != nil {
			return nil, fmt.Errorf("cannot draw %s: %w", f.name, err)
		}
		p.place(f.name, drawn{f.title, template.HTML(svg)})
	}
	var b bytes.Buffer
	if err := driftTemplate.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("cannot make the page: %w", err)
	}
	return b.Bytes(), nil
}

func (p *driftPage) place(name string, f drawn) {
	switch name {
	case "chance":
		p.Chance = f
	case "moved_classes":
		p.Classes = f
	case "estimated_accuracy":
		p.Accuracy = f
	case "windows":
		p.Over = append(p.Over, f)
	case "embeddings":
		p.Points = &f
	default:
		p.Distributions = append(p.Distributions, f)
	}
}
