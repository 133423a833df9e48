package server

import (
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fastjson"

	"github.com/torchlit/torchlit/monitor"
)

// What one request may bring: a label with its id takes 200 bytes, seldom more. Parsed, JSON takes many times its bytes.
const (
	maxLabels        = 1000
	maxFeedbackBytes = 1 << 20
)

var errFeedbackTooLarge = &apiError{
	status: fasthttp.StatusRequestEntityTooLarge, code: "body_too_large",
	sentence: fmt.Sprintf("The labels take more than %d bytes. Send them in several requests.", maxFeedbackBytes),
}

var errNoLog = &apiError{
	status: fasthttp.StatusNotFound, code: "no_prediction_log",
	sentence: "This server keeps no prediction log; start it with --monitor.",
}

// feedbackView is what becomes of one label.
type feedbackView struct {
	RequestID string     `json:"request_id"`
	Model     string     `json:"model"`
	Version   string     `json:"version"`
	Label     string     `json:"label"`
	Index     int        `json:"index"`
	Predicted classLabel `json:"predicted"`
	Correct   bool       `json:"correct"`
}

type classLabel struct {
	Label string `json:"label"`
	Index int    `json:"index"`
}

type errorView struct {
	Error string `json:"error"`
	Code  string `json:"code"`
}

// feedback takes the true labels of earlier answers. 200 says that they are on the disk.
func (s *Server) feedback(ctx *fasthttp.RequestCtx) {
	if s.cfg.PredictionLog == nil {
		s.writeError(ctx, errNoLog)
		return
	}
	if isCSV(ctx.Request.Header.ContentType()) {
		s.feedbackCSV(ctx)
		return
	}
	labels, list, err := s.readFeedback(ctx)
	if err != nil {
		s.writeError(ctx, err)
		return
	}
	ex := exchangeOf(ctx)
	rctx := s.begin(ctx, ex, 0)
	defer ex.ctx.finish()
	model, _ := ctx.UserValue("model").(string)
	verdicts, err := s.cfg.PredictionLog.Feedback(rctx, strings.Clone(model), labels)
	if err != nil {
		s.writeError(ctx, err)
		return
	}
	if !list {
		if v := &verdicts[0]; v.Err != nil {
			s.writeError(ctx, v.Err)
		} else {
			writeJSON(ctx, viewVerdict(v))
		}
		return
	}
	s.answerLabels(ctx, verdicts)
}

// readFeedback reads the labels that a request brings.
func (s *Server) readFeedback(ctx *fasthttp.RequestCtx) (labels []monitor.Label, list bool, err error) {
	if err := s.receive(ctx); err != nil {
		return nil, false, err
	}
	if len(ctx.Request.Body()) > maxFeedbackBytes {
		return nil, false, errFeedbackTooLarge
	}
	return parseFeedback(ctx.Request.Body())
}

// answerLabels answers a list as answerList does.
func (s *Server) answerLabels(ctx *fasthttp.RequestCtx, verdicts []monitor.Verdict) {
	results := make([]any, len(verdicts))
	failed := 0
	for i := range verdicts {
		v := &verdicts[i]
		if v.Err == nil {
			results[i] = viewVerdict(v)
			continue
		}
		e := public(v.Err)
		results[i] = errorView{e.sentence, e.code}
		failed++
	}
	if failed == len(verdicts) {
		ctx.SetStatusCode(public(verdicts[0].Err).status)
	}
	writeJSON(ctx, struct {
		Results []any `json:"results"`
	}{results})
}

func viewVerdict(v *monitor.Verdict) feedbackView {
	return feedbackView{
		RequestID: v.RequestID, Model: v.Model, Version: v.Version, Label: v.Label, Index: v.Index,
		Predicted: classLabel{v.PredictedLabel, v.Predicted}, Correct: v.Index == v.Predicted,
	}
}

// parseFeedback reads {"request_id": …, "label": …} or {"feedback": [those]}. Nothing points into body afterwards.
func parseFeedback(body []byte) (labels []monitor.Label, list bool, err error) {
	p := jsonParsers.Get()
	defer jsonParsers.Put(p)
	v := parseValues(p, body)
	if v == nil || v.Type() != fastjson.TypeObject {
		return nil, false, badRequest("bad_json", "The body is no JSON object; send {\"request_id\": \"…\", \"label\": \"…\"}.")
	}
	many := v.Get("feedback")
	if many == nil {
		l, err := parseLabel(v, "")
		return []monitor.Label{l}, false, err
	}
	all, err := many.Array()
	switch {
	case err != nil:
		return nil, true, badRequest("bad_feedback", "\"feedback\" must be a list of {\"request_id\": \"…\", \"label\": \"…\"}.")
	case len(all) == 0:
		return nil, true, badRequest("bad_feedback", "The list \"feedback\" is empty; send at least one label.")
	case len(all) > maxLabels:
		return nil, true, &apiError{
			status: fasthttp.StatusRequestEntityTooLarge, code: "too_many_labels",
			sentence: fmt.Sprintf("The request has %d labels; the most is %d. Split it.", len(all), maxLabels),
		}
	}
	for i, one := range all {
		l, err := parseLabel(one, fmt.Sprintf(" in \"feedback\"[%d]", i))
		if err != nil {
			return nil, true, err
		}
		labels = append(labels, l)
	}
	return labels, true, nil
}

func parseLabel(v *fastjson.Value, where string) (l monitor.Label, err error) {
	id := v.GetStringBytes("request_id")
	if len(id) == 0 {
		return l, badRequest("bad_feedback", "There is no \"request_id\""+where+": send that of the answer, as a string.")
	}
	l.RequestID = string(id)
	switch label := v.Get("label"); {
	case label == nil:
		return l, badRequest("bad_feedback", "There is no \"label\""+where+": send the name or the index of the true class.")
	case label.Type() == fastjson.TypeString:
		if l.Name = string(label.GetStringBytes()); l.Name == "" {
			l.Index = -1 // no class has it
		}
	case label.Type() == fastjson.TypeNumber:
		l.Index = whole(label)
	default:
		return l, badRequest("bad_feedback", "The \"label\""+where+" must be the name or the index of the true class.")
	}
	return l, nil
}

// forget deletes what is logged of a request: somebody may have a right to it.
func (s *Server) forget(ctx *fasthttp.RequestCtx) {
	if s.cfg.PredictionLog == nil {
		s.writeError(ctx, errNoLog)
		return
	}
	model, _ := ctx.UserValue("model").(string)
	id := string(ctx.QueryArgs().Peek("request_id")) // not in the path, because callers' ids may have slashes
	if id == "" {
		s.writeError(ctx, badRequest("bad_request_id", "There is no request_id; add ?request_id= with that of the answer or of the request."))
		return
	}
	ex := exchangeOf(ctx)
	rctx := s.begin(ctx, ex, 0)
	defer ex.ctx.finish()
	n, err := s.cfg.PredictionLog.Forget(rctx, strings.Clone(model), id)
	if err == nil && n == 0 {
		err = monitor.ErrUnknownRequest
	}
	if err != nil {
		s.writeError(ctx, err)
		return
	}
	writeJSON(ctx, struct {
		Deleted int `json:"deleted"`
	}{n})
}
