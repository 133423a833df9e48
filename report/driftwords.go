package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/torchlit/torchlit/monitor/detector"
)

// testWords say of each test, for people who do not know its name, what it looks at.
var testWords = map[string]struct{ name, about string }{
	detector.BBSD:       {"How sure it is of each class", "largest distance between the probabilities of a class: 0 alike, 1 apart (Kolmogorov-Smirnov)"},
	detector.MMD:        {"What its last layer sees", "maximum mean discrepancy of embeddings: 0 alike"},
	detector.Classifier: {"Can the two be told apart?", "AUC of a small classifier that tries: 0.5 is guessing, 1 certain"},
	detector.OOD:        {"Unlike every class", "distance between the distances to the nearest class: 0 alike, 1 apart"},
	detector.Properties: {"Look of the images", "population stability index of the property that moved most"},
	detector.Classes:    {"Mix of its answers", "Jensen-Shannon distance: 0 alike, 1 apart"},
}

var propertyWords = map[string]string{
	"brightness": "brightness (0 black, 1 white)", "contrast": "contrast (0 none)", "saturation": "colour (0 grey, 1 vivid)",
	"sharpness": "sharpness (0 blurred)", "flatness": "flatness (0 grainy, 1 even)", "size": "size (side, in pixels)", "aspect": "width over height",
}

func propertyName(name string) string {
	if words, ok := propertyWords[name]; ok {
		return words
	}
	return name
}

func (d Drift) driftedWindows() (n int) {
	for _, r := range d.Windows {
		if r.Drifted {
			n++
		}
	}
	return n
}

func windowed(n int) string {
	if n == 1 {
		return "1 window"
	}
	return count(n) + " windows"
}

func (d Drift) headline() string {
	switch {
	case d.Alarm.Raised:
		return "These images no longer look like the reference"
	case d.newest().Drifted && len(d.Windows) < d.InRow:
		return "These images may no longer look like the reference"
	case d.newest().Drifted:
		return "The newest images differ from the reference, but it is too early for an alarm"
	}
	return "These images look like the reference"
}

func (d Drift) tiles() []tile {
	r := d.newest()
	alarm := "none"
	if d.Alarm.Raised {
		alarm = "raised"
	}
	e := r.Estimate
	estimate := tile{Name: "estimated accuracy", Value: share(e.Accuracy) + " %", Note: fmt.Sprintf("%s to %s %%, without labels", share(e.Low), share(e.High))}
	if e.Unsure {
		estimate.Note = "unsure: " + estimate.Note
	}
	out := []tile{
		{Name: "alarm", Value: alarm, Note: fmt.Sprintf("%d of %s drifted", d.driftedWindows(), windowed(len(d.Windows))), First: true},
		estimate,
		{Name: "on the reference", Value: share(d.Reference.Accuracy) + " %", Note: fmt.Sprintf("accuracy on %s of %s", images(d.Reference.Images), d.Reference.Source)},
	}
	if r.Strange != nil {
		out = append(out, tile{Name: "unlike any class", Value: share(*r.Strange) + " %", Note: "of the newest window; 1 % is usual"})
	}
	return append(out, tile{Name: "newest window", Value: count(r.Answers), Note: "images, until " + r.Until.Format("2 January 15:04")})
}

func (d Drift) findings() (out []string) {
	r := d.newest()
	expected := d.Alpha * float64(len(d.Windows))
	out = append(out, fmt.Sprintf("%d of %s drifted; by chance %s would. An alarm takes %d in a row.", d.driftedWindows(), windowed(len(d.Windows)), number(expected), d.InRow))
	if r.Drifted {
		out = append(out, fmt.Sprintf("The newest window shows it most in: %s%s.", strings.ToLower(strings.TrimSuffix(testName(r.Detector), "?")), partOf(r)))
	}
	if moved := movedProperties(r, d.Alpha); len(moved) > 0 {
		out = append(out, "Of what the images look like, this has moved: "+strings.Join(moved, ", ")+".")
	} else if r.Drifted {
		out = append(out, "What the images look like in a few figures (brightness, sharpness and so on) has not moved: look at what is on them.")
	}
	e, low := r.Estimate, d.Reference.Accuracy-0.05
	switch {
	case e.Unsure:
		out = append(out, "How often the model is right on these images cannot be told without labels: they are too unlike those that its confidence was measured on.")
	case e.High < low:
		out = append(out, "By its own confidence the model is right clearly less often than on the reference. Labels for some hundred of these images would prove it.")
	case r.Drifted:
		out = append(out, "By its own confidence the model is right about as often as on the reference.")
	}
	return out
}

func testName(name string) string {
	if words, ok := testWords[name]; ok {
		return words.name
	}
	return name
}

// partOf is the class or property that the decisive test names.
func partOf(r *detector.Result) string {
	t := r.Test(r.Detector)
	if t == nil || t.Part == "" {
		return ""
	}
	if r.Detector == detector.Properties {
		return ", of them " + t.Part
	}
	return fmt.Sprintf(", most of all the class %q", t.Part)
}

// movedProperties are those that chance would not move as far, adjusted for their number.
func movedProperties(r *detector.Result, alpha float64) (out []string) {
	for _, m := range r.Properties {
		if m.Known > 0 && m.P*float64(len(r.Properties)) <= alpha {
			out = append(out, fmt.Sprintf("%s (median %s, was %s)", m.Property, three(m.Window), three(m.Reference)))
		}
	}
	return out
}

func (d Drift) tests() (out []driftTest) {
	for _, t := range d.newest().Tests {
		row := driftTest{ID: t.Detector, Name: sentenceOf(testName(t.Detector)), About: upperFirst(testWords[t.Detector].about) + ".", Score: three(math.Max(t.Score, 0)), P: chanceOf(t.Adjusted), Part: t.Part, Drifted: t.Drifted}
		if t.Skipped != "" {
			row.Score, row.P, row.Part = "–", "–", "not made: "+t.Skipped
		}
		out = append(out, row)
	}
	return out
}

// sentenceOf ends a heading as a sentence.
func sentenceOf(heading string) string {
	if strings.HasSuffix(heading, "?") {
		return heading
	}
	return heading + "."
}

func upperFirst(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

func chanceOf(p float64) string {
	if p < 1e-4 {
		return "< 0.0001"
	}
	return fmt.Sprintf("%.2g", p)
}

func (d Drift) propertyRows() (out []driftPropertyRow) {
	r := d.newest()
	for _, m := range r.Properties {
		row := driftPropertyRow{propertyName(m.Property), three(m.Reference), three(m.Window), three(m.PSI), chanceOf(m.P), m.P*float64(len(r.Properties)) <= d.Alpha}
		if m.Known == 0 {
			row = driftPropertyRow{Name: row.Name, Reference: "–", Window: "–", PSI: "–", P: "not known"}
		}
		out = append(out, row)
	}
	return out
}
