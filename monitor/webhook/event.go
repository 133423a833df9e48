package webhook

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Kinds of events.
const (
	Alarm   = "drift_alarm"
	Cleared = "drift_cleared"
)

// Event is a change of a version's alarm. Its JSON is the body that is posted.
type Event struct {
	Kind    string `json:"event"`
	Model   string `json:"model"`
	Version string `json:"version"`

	Since     time.Time `json:"since"`               // end of the window that changed the alarm
	Windows   int       `json:"windows"`             // in a row that changed it
	Answers   int       `json:"answers"`             // of the last window
	Detector  string    `json:"detector"`            // that saw the most in it
	P         float64   `json:"p"`                   // its p, adjusted for the number of tests
	Moved     []Moved   `json:"moved"`               // what moved furthest, most moved first
	Estimate  *Estimate `json:"accuracy"`            // nil where none can be given
	Dashboard string    `json:"dashboard,omitempty"` // address of the page that shows it
}

// Moved is a class or a property of images that is not what it was.
type Moved struct {
	Name      string  `json:"name"` // such as "class cat" or "brightness"
	Reference float64 `json:"reference"`
	Window    float64 `json:"window"`
	Share     bool    `json:"share"` // both are shares of 1
}

// Estimate is how often the model is likely to be right.
type Estimate struct {
	Estimated float64 `json:"estimated"`
	Low       float64 `json:"low"`
	High      float64 `json:"high"`
	Reference float64 `json:"reference"` // on the images that it was measured on
	Unsure    bool    `json:"unsure"`    // traffic is so unlike them that the band does not mean much
}

// body is the event with its sentence: Slack, Mattermost and others read "text", Discord reads "content".
func (e *Event) body() ([]byte, error) {
	text := e.Text()
	return json.Marshal(struct {
		*Event
		Text    string `json:"text"`
		Content string `json:"content"`
	}{e, text, text})
}

const (
	// mostText is what Discord takes, in characters.
	mostText = 2000
	// mostMoved is how many moved things the sentence names.
	mostMoved = 3
)

// Text says for people what happened.
func (e *Event) Text() string {
	var b strings.Builder
	what := fmt.Sprintf("%s version %s", e.Model, e.Version)
	if e.Kind == Cleared {
		fmt.Fprintf(&b, "Drift has cleared: what %s sees looks like its reference again, in %s up to %s", what, windows(e.Windows), at(e.Since))
	} else {
		fmt.Fprintf(&b, "Drift alarm: what %s sees no longer looks like its reference, in %s up to %s (%s, p %s)", what, windows(e.Windows), at(e.Since), e.Detector, small(e.P))
	}
	if e.Kind != Cleared && len(e.Moved) > 0 {
		b.WriteString("; most moved: ")
		for i, m := range e.Moved[:min(mostMoved, len(e.Moved))] {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(m.String())
		}
	}
	if a := e.Estimate; a != nil {
		fmt.Fprintf(&b, "; estimated accuracy %s (%s to %s), %s on the reference", percent(a.Estimated), percent(a.Low), percent(a.High), percent(a.Reference))
		if a.Unsure {
			b.WriteString(", and unsure")
		}
	}
	b.WriteByte('.')
	if e.Dashboard != "" {
		b.WriteString(" " + e.Dashboard)
	}
	return clip(harmless.Replace(b.String()))
}

// String is such as "class cat from 10.0 % to 31.2 %".
func (m Moved) String() string {
	if m.Share {
		return fmt.Sprintf("%s from %s to %s", m.Name, percent(m.Reference), percent(m.Window))
	}
	return fmt.Sprintf("%s from %.3g to %.3g", m.Name, m.Reference, m.Window)
}

// harmless keeps what chats take for a mention or a link with another text out of names.
var harmless = strings.NewReplacer("<", "‹", ">", "›", "@", "(at)")

func windows(n int) string {
	if n == 1 {
		return "1 window"
	}
	return fmt.Sprintf("%d windows in a row", n)
}

func at(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

func small(p float64) string {
	if p < 1e-4 {
		return "below 0.0001"
	}
	return fmt.Sprintf("= %.2g", p)
}

func clip(text string) string {
	if utf8.RuneCountInString(text) <= mostText {
		return text
	}
	return string([]rune(text)[:mostText-1]) + "…"
}
