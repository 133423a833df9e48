package server

import (
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/torchlit/torchlit/server/access"
)

// With Config.APIKeys whoever asks for an answer, or has something to say of one, presents a key: "Authorization: Bearer <key>" or
// "X-Api-Key: <key>". The key is looked at before the body is read. What is served, how it goes, and the pages stay open: they say
// nothing of anybody's pictures.

var (
	errKeyNeeded = &apiError{
		status: fasthttp.StatusUnauthorized, code: "key_needed", reason: "no_key",
		sentence: "This address needs an API key: send the header \"Authorization: Bearer <key>\".",
	}
	errKeyUnknown = &apiError{
		status: fasthttp.StatusUnauthorized, code: "key_unknown", reason: "wrong_key",
		sentence: "This API key is not known here, or has expired.",
	}
	errKeyRate = &apiError{
		status: fasthttp.StatusTooManyRequests, code: "rate_limited", reason: "key_rate",
		sentence: "There were more requests with this API key than it may send in this time. Try again after the time in Retry-After.",
	}
	errKeyConcurrency = &apiError{
		status: fasthttp.StatusTooManyRequests, code: "too_many_at_once", reason: "key_concurrency",
		sentence: "There are as many requests under way with this API key as it may have at once. Wait for an answer before sending another.",
	}
)

// keyed lets h answer only who has a key. Without keys it is h.
func (s *Server) keyed(h fasthttp.RequestHandler) fasthttp.RequestHandler {
	if s.cfg.APIKeys == nil {
		return h
	}
	return func(ctx *fasthttp.RequestCtx) {
		grant, err := s.cfg.APIKeys.Enter(presented(&ctx.Request.Header))
		if err != nil {
			s.refuseKey(ctx, err)
			return
		}
		defer grant.Leave()
		exchangeOf(ctx).key = grant.Name()
		setRate(&ctx.Response.Header, grant)
		h(ctx)
	}
}

// presented is the key that a request brings.
func presented(h *fasthttp.RequestHeader) string {
	if key := access.Bearer(string(h.Peek(fasthttp.HeaderAuthorization))); key != "" {
		return key
	}
	return string(h.Peek("X-Api-Key"))
}

// refuseKey answers who has no leave.
func (s *Server) refuseKey(ctx *fasthttp.RequestCtx, err error) {
	h := &ctx.Response.Header
	e := whyNoLeave(err)
	if e == errKeyUnknown {
		h.Set(fasthttp.HeaderWWWAuthenticate, `Bearer realm="torchlit", error="invalid_token"`)
	}
	setOver(h, err)
	if over, ok := errors.AsType[*access.RateError](err); ok {
		exchangeOf(ctx).key = over.Grant.Name()
	}
	s.writeError(ctx, e)
}

// setOver tells who is over a limit of his key when to come again.
func setOver(h *fasthttp.ResponseHeader, err error) {
	if over, ok := errors.AsType[*access.RateError](err); ok {
		setRate(h, over.Grant)
		h.Set(fasthttp.HeaderRetryAfter, wholeSeconds(over.After))
	}
}

// whyNoLeave is what the caller is told of an error of package access.
func whyNoLeave(err error) *apiError {
	over, isOver := errors.AsType[*access.RateError](err)
	switch {
	case errors.Is(err, access.ErrNoKey):
		return errKeyNeeded
	case !isOver:
		return errKeyUnknown
	case over.What == "rate":
		return errKeyRate
	}
	return errKeyConcurrency
}

// setRate tells of a key's rate, in the three headers of draft-ietf-httpapi-ratelimit-headers up to its sixth version, which is what
// clients read: how many requests at once, how many are left, and in how many seconds all are there again.
func setRate(h *fasthttp.ResponseHeader, g *access.Grant) {
	limit, remaining, reset, ok := g.Rate(time.Now())
	if !ok {
		return
	}
	h.Set("RateLimit-Limit", strconv.Itoa(limit))
	h.Set("RateLimit-Remaining", strconv.Itoa(remaining))
	h.Set("RateLimit-Reset", strconv.Itoa(int(math.Ceil(reset.Seconds()))))
}

func wholeSeconds(d time.Duration) string { return strconv.Itoa(max(1, int(math.Ceil(d.Seconds())))) }

// noLeave is an error of package access with what the caller is told of it.
type noLeave struct {
	*apiError
	cause error
}

func (e *noLeave) Unwrap() []error { return []error{e.apiError, e.cause} }

// CheckKey reports whether Enter would know the key, for a front end that can ask before it reads a request. Its error is for the caller.
func (s *Server) CheckKey(key string) error {
	if s.cfg.APIKeys == nil {
		return nil
	}
	_, err := s.cfg.APIKeys.Check(key)
	return s.refusedElsewhere(err)
}

// Enter lets another front end's caller ask a request with that key, of which it returns the name; leave follows. Its error is for the
// caller.
func (s *Server) Enter(key string) (name string, leave func(), err error) {
	if s.cfg.APIKeys == nil {
		return "", func() {}, nil
	}
	grant, err := s.cfg.APIKeys.Enter(key)
	if err != nil {
		return "", nil, s.refusedElsewhere(err)
	}
	return grant.Name(), grant.Leave, nil
}

// refusedElsewhere counts a request that another front end refuses for an error of package access, if it is one.
func (s *Server) refusedElsewhere(err error) error {
	if err == nil {
		return nil
	}
	e := whyNoLeave(err)
	s.countRejected(nil, e)
	s.cfg.Metrics.observeRequest(&exchange{asks: true}, e.status)
	return &noLeave{e, err}
}
