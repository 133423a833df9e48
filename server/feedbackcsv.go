package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/labels"
)

// firstRefused is how many of the labels that are not stored an answer to CSV names.
const firstRefused = 20

// isCSV reports whether a body is CSV, whatever its parameters.
func isCSV(contentType []byte) bool {
	media, _, _ := bytes.Cut(contentType, []byte(";"))
	return strings.EqualFold(string(bytes.TrimSpace(media)), "text/csv")
}

// feedbackCounts is what becomes of a file of labels.
type feedbackCounts struct {
	Labels       int            `json:"labels"`
	Stored       int            `json:"stored"`
	Correct      int            `json:"correct"` // of those: the answer was right
	Refused      map[string]int `json:"refused"` // by code
	FirstRefused []refusedLabel `json:"first_refused"`

	status int // of the first that was refused
}

type refusedLabel struct {
	Line      int    `json:"line"` // of the file, counted from 1
	RequestID string `json:"request_id"`
	errorView
}

// feedbackCSV takes a file of labels, as large as any body may be. Nothing is stored of one that cannot be read to its end: it is read once for
// that, and once more a thousand labels at a time, so that it need not be in memory as labels.
func (s *Server) feedbackCSV(ctx *fasthttp.RequestCtx) {
	if err := s.receive(ctx); err != nil {
		s.writeError(ctx, err)
		return
	}
	body := ctx.Request.Body()
	n := 0
	if err := eachLabel(body, func(monitor.Label, int) error { n++; return nil }); err != nil {
		s.writeError(ctx, badRequest("bad_feedback", "The CSV cannot be read: "+err.Error()+"."))
		return
	}
	if n == 0 {
		s.writeError(ctx, badRequest("bad_feedback", "The CSV has no labels; send at least one line after the first."))
		return
	}
	ex := exchangeOf(ctx)
	rctx := s.begin(ctx, ex, 0)
	defer ex.ctx.finish()
	model, _ := ctx.UserValue("model").(string)
	counts := feedbackCounts{Labels: n, Refused: map[string]int{}, FirstRefused: []refusedLabel{}}
	if err := s.storeCSV(rctx, strings.Clone(model), body, &counts); err != nil {
		s.writeError(ctx, err)
		return
	}
	if counts.Stored == 0 {
		ctx.SetStatusCode(counts.status)
	}
	writeJSON(ctx, &counts)
}

func eachLabel(body []byte, f func(l monitor.Label, line int) error) error {
	r, err := labels.NewCSV(bytes.NewReader(body))
	if err != nil {
		return err
	}
	for {
		l, line, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = f(l, line)
		}
		if err != nil {
			return err
		}
	}
}

// storeCSV stores the labels of a body that can be read. After an error some may be stored; they may be sent again.
func (s *Server) storeCSV(ctx context.Context, model string, body []byte, counts *feedbackCounts) error {
	var part []monitor.Label
	var lines []int
	flush := func() error {
		if len(part) == 0 {
			return nil
		}
		verdicts, err := s.cfg.PredictionLog.Feedback(ctx, model, part)
		if err != nil {
			return err
		}
		for i := range verdicts {
			counts.add(&verdicts[i], lines[i])
		}
		part, lines = nil, lines[:0] // the log may hold on to labels of which nobody waits any more
		return nil
	}
	err := eachLabel(body, func(l monitor.Label, line int) error {
		part, lines = append(part, l), append(lines, line)
		if len(part) < maxLabels {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

func (c *feedbackCounts) add(v *monitor.Verdict, line int) {
	if v.Err == nil {
		c.Stored++
		if v.Index == v.Predicted {
			c.Correct++
		}
		return
	}
	e := public(v.Err)
	if c.status == 0 {
		c.status = e.status
	}
	c.Refused[e.code]++
	if len(c.FirstRefused) < firstRefused {
		c.FirstRefused = append(c.FirstRefused, refusedLabel{line, clip(v.RequestID), errorView{e.sentence, e.code}})
	}
}
