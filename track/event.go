package track

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// EventKind says what an [Event] is.
type EventKind string

// The kinds of events, one a method of a Tracker, and EventBegin for what a run is
// described by.
const (
	EventBegin    EventKind = "begin"
	EventLog      EventKind = "log"
	EventImage    EventKind = "image"
	EventArtifact EventKind = "artifact"
	EventFinish   EventKind = "finish"
)

// Event is one thing that a run had to show, as a [Spool] keeps it for a [Sink].
type Event struct {
	Kind    EventKind `json:"kind"`
	Time    int64     `json:"time"` // Unix milliseconds
	Step    int64     `json:"step,omitempty"`
	Metrics Figures   `json:"metrics,omitempty"` // of EventLog; the summary of EventFinish

	Name         string `json:"name,omitempty"` // of the run, picture or artifact
	Caption      string `json:"caption,omitempty"`
	PNG          []byte `json:"png,omitempty"`
	ArtifactKind string `json:"artifact_kind,omitempty"`
	Path         string `json:"path,omitempty"` // of the artifact; absolute when a Sink sees it
	Status       Status `json:"status,omitempty"`

	Params  map[string]string `json:"params,omitempty"` // of EventBegin: the flat configuration
	Tags    map[string]string `json:"tags,omitempty"`   // of EventBegin
	Resumed bool              `json:"resumed,omitempty"`
}

// size is about how many bytes e takes.
func (e *Event) size() int64 {
	return int64(200 + 40*len(e.Metrics) + len(e.PNG)*4/3 + 100*len(e.Params))
}

// media says that e is large and can be missed more easily than figures.
func (e *Event) media() bool { return e.Kind == EventImage }

// Figures are metrics whose JSON form has the numbers that JSON lacks, as the
// strings "NaN", "+Inf" and "-Inf".
type Figures map[string]float64

// MarshalJSON writes an object of numbers and strings.
func (f Figures) MarshalJSON() ([]byte, error) {
	m := make(map[string]any, len(f))
	for k, v := range f {
		if m[k] = v; math.IsNaN(v) || math.IsInf(v, 0) {
			m[k] = strconv.FormatFloat(v, 'g', -1, 64)
		}
	}
	return json.Marshal(m)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *Figures) UnmarshalJSON(data []byte) error {
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	*f = make(Figures, len(m))
	for k, v := range m {
		switch v := v.(type) {
		case float64:
			(*f)[k] = v
		case string:
			n, err := strconv.ParseFloat(v, 64)
			if err != nil {
				return fmt.Errorf("cannot read figure %q: %w", k, err)
			}
			(*f)[k] = n
		default:
			return fmt.Errorf("cannot read figure %q: it is %v", k, v)
		}
	}
	return nil
}

// Flatten returns the leaves of a nested configuration by their dotted paths, as
// overrides name them: a string, float64, int or bool each. Lists are leaves, in
// their JSON form; so are null and empty maps.
func Flatten(config map[string]any) map[string]any {
	flat := map[string]any{}
	flatten(flat, "", config)
	return flat
}

func flatten(flat map[string]any, prefix string, config map[string]any) {
	for key, v := range config {
		key = prefix + key
		switch v := v.(type) {
		case map[string]any:
			if len(v) > 0 {
				flatten(flat, key+".", v)
				continue
			}
			flat[key] = "{}"
		case string, float64, int, bool:
			flat[key] = v
		default:
			flat[key] = asJSON(v)
		}
	}
}

func asJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil { // infinities and the like
		return fmt.Sprint(v)
	}
	return string(data)
}

// FlatStrings is Flatten with every leaf as text.
func FlatStrings(config map[string]any) map[string]string {
	text := map[string]string{}
	for key, v := range Flatten(config) {
		text[key] = fmt.Sprint(v)
	}
	return text
}
