package sim

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
)

// ReadAccessLog makes a trace of a server's access log (torchlit serve --access-log FILE --access-log-sampling all): when each
// request with images came, and as often as it had images.
func ReadAccessLog(r io.Reader) ([]time.Duration, error) {
	var came []time.Time
	err := eachLine(r, func(line string) error {
		var l struct {
			Time   time.Time `json:"time"`
			Images int       `json:"images"`
			Total  float64   `json:"total_ms"`
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			return fmt.Errorf("cannot read line of access log: %w", err)
		}
		for range l.Images {
			came = append(came, l.Time.Add(-time.Duration(l.Total*float64(time.Millisecond))))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(came) == 0 {
		return nil, fmt.Errorf("cannot make a trace: no line of the log has images")
	}
	slices.SortFunc(came, time.Time.Compare)
	arrivals := make([]time.Duration, len(came))
	for i, c := range came {
		arrivals[i] = c.Sub(came[0])
	}
	return arrivals, nil
}
