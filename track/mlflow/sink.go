package mlflow

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/torchlit/torchlit/track"
)

// What one log-batch request may hold (mlflow/utils/validation.py): so many of each,
// so many together, and a million bytes.
const (
	mostMetrics    = 1000
	mostParamsTags = 100
	mostBytes      = 900_000
)

// sink brings events to the server. An event that came before does no harm: metrics
// with the same time, step and value are one, params of the same value and tags as
// well, and files are written over.
type sink struct {
	c     *client
	state *state
	step  int64 // the highest seen
	moved atomic.Int64
}

// Moved implements track.Progress: it counts the bytes of uploads.
func (s *sink) Moved() int64 { return s.moved.Load() }

// Send implements track.Sink.
func (s *sink) Send(ctx context.Context, events []track.Event) (int, error) {
	done := 0
	for done < len(events) {
		e := &events[done]
		if err := s.ensureRun(ctx, e); err != nil {
			return done, err
		}
		n := 0
		var err error
		switch e.Kind {
		case track.EventBegin:
			err = s.begin(ctx, e)
		case track.EventLog:
			n, err = s.log(ctx, events[done:])
		case track.EventImage:
			err = s.image(ctx, e)
		case track.EventArtifact:
			err = s.artifact(ctx, e)
		case track.EventFinish:
			err = s.finish(ctx, e)
		default:
			err = track.Refuse(fmt.Errorf("a record is of the unknown kind %q", e.Kind))
		}
		done += n
		if err != nil {
			if hopeless(err) {
				err = track.Refuse(err)
			}
			return done, err
		}
		if e.Kind != track.EventLog {
			done++
		}
	}
	return done, nil
}

// begin sends the settings and tags. Params cannot be changed: where a resumed run's
// differ, its own go into tags.
func (s *sink) begin(ctx context.Context, e *track.Event) error {
	params := asParams(e.Params)
	tags := asTags(e.Tags)
	if e.Resumed {
		err := s.c.post(ctx, "runs/update", map[string]any{"run_id": s.state.RunID, "status": "RUNNING"}, nil)
		if err != nil {
			return err
		}
		if params, tags, err = s.changed(ctx, params, tags); err != nil {
			return err
		}
	}
	for chunk := range slices.Chunk(params, mostParamsTags) {
		if err := s.batch(ctx, map[string]any{"params": chunk}); err != nil {
			return err
		}
	}
	for chunk := range slices.Chunk(tags, mostParamsTags) {
		if err := s.batch(ctx, map[string]any{"tags": chunk}); err != nil {
			return err
		}
	}
	return nil
}

// changed returns the params that the run does not have yet, and tags with those added
// that it has with another value.
func (s *sink) changed(ctx context.Context, params, tags []keyValue) (added, tagged []keyValue, err error) {
	var answer struct{ Run runInfo }
	if err := s.c.get(ctx, "runs/get", url.Values{"run_id": {s.state.RunID}}, &answer); err != nil {
		return nil, nil, err
	}
	there := map[string]string{}
	for _, p := range answer.Run.Data.Params {
		there[p.Key] = p.Value
	}
	for _, p := range params {
		value, ok := there[p.Key]
		switch {
		case !ok:
			added = append(added, p)
		case value != p.Value:
			tags = append(tags, keyValue{"resumed." + p.Key, p.Value})
		}
	}
	return added, tags, nil
}

func (s *sink) batch(ctx context.Context, content map[string]any) error {
	content["run_id"] = s.state.RunID
	return s.c.post(ctx, "runs/log-batch", content, nil)
}

// metric is a point of a curve. Its value is a number, or one of the strings that
// protobuf's JSON has for those that JSON lacks.
type metric struct {
	Key       string `json:"key"`
	Value     any    `json:"value"`
	Timestamp int64  `json:"timestamp"`
	Step      int64  `json:"step"`
}

// log sends as many of the first events as are figures and fit into a request, and
// returns how many these are. One that has a fault must not take others with it, so
// those that are refused together are sent one by one.
func (s *sink) log(ctx context.Context, events []track.Event) (int, error) {
	var metrics []metric
	n, size := 0, 0
	for ; n < len(events) && events[n].Kind == track.EventLog; n++ {
		these := asMetrics(&events[n], "")
		bytes := 0
		for i := range these {
			bytes += len(these[i].Key) + 120
		}
		if n > 0 && (len(metrics)+len(these) > mostMetrics || size+bytes > mostBytes) {
			break
		}
		if !isSystem(&events[n]) { // its steps are samples
			s.step = max(s.step, events[n].Step)
		}
		metrics, size = append(metrics, these...), size+bytes
	}
	err := s.metrics(ctx, metrics)
	if err == nil {
		return n, nil
	}
	if n == 1 || !hopeless(err) {
		return 0, err
	}
	for i := range n {
		if err := s.metrics(ctx, asMetrics(&events[i], "")); err != nil {
			return i, err
		}
	}
	return n, nil
}

func isSystem(e *track.Event) bool {
	for name := range e.Metrics {
		return strings.HasPrefix(name, systemPrefix)
	}
	return false
}

func (s *sink) metrics(ctx context.Context, metrics []metric) error {
	for chunk := range slices.Chunk(metrics, mostMetrics) {
		if err := s.batch(ctx, map[string]any{"metrics": chunk}); err != nil {
			return err
		}
	}
	return nil
}

func asMetrics(e *track.Event, prefix string) []metric {
	var metrics []metric
	for name, v := range e.Metrics {
		m := metric{Key: cleanName(prefix + name), Value: v, Timestamp: e.Time, Step: e.Step}
		switch {
		case math.IsNaN(v):
			m.Value = "NaN"
		case math.IsInf(v, 1):
			m.Value = "Infinity"
		case math.IsInf(v, -1):
			m.Value = "-Infinity"
		}
		metrics = append(metrics, m)
	}
	return metrics
}

// finish logs the summary as metrics below summary/ and ends the run.
func (s *sink) finish(ctx context.Context, e *track.Event) error {
	e.Step = s.step
	if err := s.metrics(ctx, asMetrics(e, "summary/")); err != nil {
		return err
	}
	status := map[track.Status]string{
		track.StatusFinished: "FINISHED", track.StatusFailed: "FAILED", track.StatusInterrupted: "KILLED",
	}[e.Status]
	return s.c.post(ctx, "runs/update", map[string]any{"run_id": s.state.RunID, "status": status, "end_time": e.Time}, nil)
}
