package server

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// LoggedPicture is an image that was kept with its answer. Its JSON is what the server shows.
type LoggedPicture struct {
	RequestID   string    `json:"request_id"` // of the answer
	Time        time.Time `json:"time"`
	Model       string    `json:"model"`
	Version     string    `json:"version"`
	Label       string    `json:"label"` // found likeliest
	Probability float64   `json:"probability"`
	OOD         *float64  `json:"ood_score"`  // how far it lies from all classes; nil where that is not known
	Truth       *string   `json:"true_label"` // nil where it is not known
	PNG         []byte    `json:"png"`        // as the model saw it
}

var errNotMonitored = &apiError{
	status: fasthttp.StatusNotFound, code: "not_monitored",
	sentence: "This version is not watched for drift; start the server with --monitor, and give the model a reference with torchlit export --reference.",
}

// showDrift answers with what is known of a version's drift: of the one that answers requests that name none, unless the path names one.
func (s *Server) showDrift(ctx *fasthttp.RequestCtx) {
	name, _ := ctx.UserValue("model").(string)
	version, _ := ctx.UserValue("version").(string)
	m, err := s.catalog.Load().lookUp(name, version)
	if err != nil {
		s.writeError(ctx, err)
		return
	}
	if s.cfg.DriftStatus == nil {
		s.writeError(ctx, errNotMonitored)
		return
	}
	status, ok := s.cfg.DriftStatus(m.Name, m.Version)
	if !ok {
		s.writeError(ctx, errNotMonitored)
		return
	}
	writeJSON(ctx, status)
}

const (
	defaultPictures = 12
	// mostPictures bounds a reply: a picture of 224×224 takes some 100 KB.
	mostPictures = 48
)

// showPictures answers with the newest pictures that are kept. They are in the reply itself, because an <img> cannot present the
// admin key.
func (s *Server) showPictures(ctx *fasthttp.RequestCtx) {
	if s.cfg.Pictures == nil {
		s.writeError(ctx, errNoLog)
		return
	}
	name, _ := ctx.UserValue("model").(string)
	if err := s.knows(name); err != nil {
		s.writeError(ctx, err)
		return
	}
	query := ctx.QueryArgs()
	n := defaultPictures
	if query.Has("n") {
		var err error
		if n, err = strconv.Atoi(string(query.Peek("n"))); err != nil || n < 1 || n > mostPictures {
			s.writeError(ctx, badRequest("bad_n", fmt.Sprintf("The parameter n must be a whole number from 1 to %d.", mostPictures)))
			return
		}
	}
	ex := exchangeOf(ctx)
	rctx := s.begin(ctx, ex, 0)
	defer ex.ctx.finish()
	pictures, err := s.cfg.Pictures(rctx, strings.Clone(name), string(query.Peek("version")), n)
	if err != nil {
		if context.Cause(rctx) != nil {
			err = context.Cause(rctx)
		}
		s.writeError(ctx, err)
		return
	}
	if pictures == nil {
		pictures = []LoggedPicture{}
	}
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	writeJSON(ctx, struct {
		Pictures []LoggedPicture `json:"pictures"`
	}{pictures})
}
