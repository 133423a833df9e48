package main

import (
	"cmp"
	"path/filepath"
	"slices"
	"time"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/reference"
	"github.com/torchlit/torchlit/monitor/watch"
	"github.com/torchlit/torchlit/report"
)

// shownStrange is how many of the strangest images a report shows.
const shownStrange = 12

// strange collects the images that lie furthest from all classes.
type strange []report.DriftImage

// add keeps an answer if it is among the strangest. picture is asked for only then; it may return nil.
func (s *strange) add(a *monitor.Answer, score float32, picture func() []byte) {
	if score != score || len(*s) == shownStrange && float64(score) <= (*s)[shownStrange-1].Score {
		return
	}
	class := evaluate.Best(a.Probabilities)
	*s = append(*s, report.DriftImage{
		Name: a.RequestID, Label: a.Labels[class], Confidence: float64(a.Probabilities[class]), Score: float64(score), Picture: picture(),
	})
	slices.SortStableFunc(*s, func(a, b report.DriftImage) int { return cmp.Compare(b.Score, a.Score) })
	*s = (*s)[:min(len(*s), shownStrange)]
}

// writeDriftReport writes the page of --report.
func (f *driftFlags) writeDriftReport(s *watch.Status, d *driftRun) error {
	ref := d.detector.Reference()
	images := f.data
	if images == "" {
		images = "the prediction log"
	}
	return report.WriteDrift(f.report, report.Drift{
		Model: s.Model + "/" + s.Version, Images: images, Created: time.Now(),
		Reference: report.DriftReference{Source: ref.Source, Images: ref.Images, Accuracy: ref.Accuracy},
		Windows:   s.Windows, Alarm: s.Alarm, InRow: s.InRow, Alpha: s.Alpha,
		Properties:      driftProperties(ref, d.newest),
		ReferencePoints: twoCoordinates(ref.Embeddings), WindowPoints: twoCoordinates(d.coordinates()),
		Strangest: d.strangest, Facts: []report.Facts{versionFacts()}, Command: f.again(),
	})
}

// again are the words that repeat the comparison.
func (f *driftFlags) again() []string {
	words := []string{"torchlit", "drift"}
	for _, w := range []struct{ flag, value string }{
		{"--model", f.model}, {"--data", f.data}, {"--dir", f.place.dir}, {"--since", f.since}, {"--until", f.until}, {"--ignore", f.ignore}, {"--report", f.report},
	} {
		if w.value != "" {
			words = append(words, w.flag, w.value)
		}
	}
	return words
}

// driftProperties are the values of each property.
func driftProperties(ref *reference.Reference, newest []*monitor.Answer) []report.DriftProperty {
	var out []report.DriftProperty
	for i, name := range monitor.PropertyNames {
		p := report.DriftProperty{Name: name}
		for _, row := range ref.Properties {
			p.Reference = appendKnown(p.Reference, row[i])
		}
		for _, a := range newest {
			p.Window = appendKnown(p.Window, a.Image.Properties()[i])
		}
		if len(p.Reference) > 0 && len(p.Window) > 0 {
			out = append(out, p)
		}
	}
	return out
}

func appendKnown(values []float64, v float32) []float64 {
	if v != v {
		return values
	}
	return append(values, float64(v))
}

// twoCoordinates are the first two of each row.
func twoCoordinates(rows [][]float32) [][2]float64 {
	var out [][2]float64
	for _, row := range rows {
		if len(row) >= 2 {
			out = append(out, [2]float64{float64(row[0]), float64(row[1])})
		}
	}
	return out
}

// coordinates are those of the newest window's embeddings.
func (d *driftRun) coordinates() [][]float32 {
	var out [][]float32
	for _, a := range d.newest {
		if c := d.detector.Coordinates(a); c != nil {
			out = append(out, c)
		}
	}
	return out
}

// relativeName is a file's path as it is shown: below the folder that was asked about.
func relativeName(dir, file string) string {
	if short, err := filepath.Rel(dir, file); err == nil {
		return filepath.ToSlash(short)
	}
	return file
}
