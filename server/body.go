package server

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/bytebufferpool"
	"github.com/valyala/fasthttp"

	"github.com/torchlit/torchlit/batching"
)

// upload is what a request asks for: images, still encoded, and options. Its images may point into the request's body
// and into pooled buffers, so they are valid until release and not beyond the handler.
type upload struct {
	images   [][]byte
	list     bool          // answer with a list: several images, or the "images" form
	topK     int           // how many classes to name
	timeout  time.Duration // 0 when the request names none
	priority batching.Priority
	buffers  []*bytebufferpool.ByteBuffer
}

// release gives the buffers back. No image may be touched after it.
func (u *upload) release() {
	for _, b := range u.buffers {
		bytebufferpool.Put(b)
	}
	u.images, u.buffers = nil, nil
}

// buffer returns a pooled buffer that release gives back.
func (u *upload) buffer() *bytebufferpool.ByteBuffer {
	b := bytebufferpool.Get()
	u.buffers = append(u.buffers, b)
	return b
}

// limits are what an upload may ask for.
type limits struct {
	images  int
	timeout time.Duration
	take    func(bytes int) error // counts so many in all against what all requests may hold; nil does not
}

// holds counts what an upload holds: its body, and what is made of it.
func (lim *limits) holds(bytes int) error {
	if lim.take == nil {
		return nil
	}
	return lim.take(bytes)
}

const defaultTopK = 5

// readUpload reads the request's body in whichever of the three forms it has. Options in the body win over those in
// the query.
func (s *Server) readUpload(ctx *fasthttp.RequestCtx) (*upload, error) {
	if enc := ctx.Request.Header.Peek(fasthttp.HeaderContentEncoding); len(enc) > 0 && !strings.EqualFold(string(enc), "identity") {
		return nil, &apiError{
			status: fasthttp.StatusUnsupportedMediaType, code: "unsupported_encoding",
			sentence: "The body is compressed as a whole; send the image as it is: image files are compressed already.",
		}
	}
	u := &upload{topK: defaultTopK}
	lim := limits{images: s.cfg.MaxImagesPerRequest, timeout: s.cfg.MaxTimeout, take: func(n int) error { return s.hold(ctx, n) }}
	query := ctx.QueryArgs()
	for _, name := range []string{"top_k", "timeout_ms", "priority"} {
		if v := query.Peek(name); v != nil {
			if err := u.setOption(name, string(v), lim); err != nil {
				return nil, err
			}
		}
	}
	if err := u.parse(string(ctx.Request.Header.ContentType()), ctx.Request.Body(), lim); err != nil {
		u.release()
		return nil, err
	}
	return u, nil
}

// parse fills u from a body. It trusts neither the declared type nor the bytes.
func (u *upload) parse(contentType string, body []byte, lim limits) error {
	if len(body) == 0 {
		return badRequest("empty_body", "The request has no body; send an image.")
	}
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	switch {
	case media == "multipart/form-data":
		return u.parseForm(contentType, body, lim)
	case media == "application/json" || strings.HasSuffix(media, "+json"):
		return u.parseJSON(body, lim)
	case mayHideJSON(media) && looksLikeJSON(body):
		return u.parseJSON(body, lim)
	}
	u.images = append(u.images, body)
	return nil
}

// mayHideJSON reports whether a type is one that programs send when nobody chose it, such as curl's for -d.
func mayHideJSON(media string) bool {
	switch media {
	case "", "application/x-www-form-urlencoded", "application/octet-stream", "text/plain":
		return true
	}
	return false
}

// looksLikeJSON reports whether body begins as a JSON object does; no image format begins so.
func looksLikeJSON(body []byte) bool {
	b := bytes.TrimLeft(body, " \t\r\n")
	if len(b) == 0 || b[0] != '{' {
		return false
	}
	b = bytes.TrimLeft(b[1:], " \t\r\n")
	return len(b) > 0 && (b[0] == '"' || b[0] == '}')
}

// setOption sets an option that came as text.
func (u *upload) setOption(name, text string, lim limits) error {
	if name == "priority" {
		return u.setPriority(text)
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		n = -1 // no option takes a negative number
	}
	return u.setNumber(name, n, lim)
}

func (u *upload) setPriority(text string) error {
	switch strings.TrimSpace(text) {
	case "normal":
		u.priority = batching.Normal
	case "low":
		u.priority = batching.Low
	default:
		return badRequest("bad_priority", "The option priority must be normal or low.")
	}
	return nil
}

const maxTopK = 100_000 // above any list of labels; more classes than the model has means all of them

func (u *upload) setNumber(name string, n int, lim limits) error {
	switch name {
	case "top_k":
		if n < 1 || n > maxTopK {
			return badRequest("bad_top_k", fmt.Sprintf("The option top_k must be a whole number from 1 to %d; without it the %d likeliest classes are named.", maxTopK, defaultTopK))
		}
		u.topK = n
	case "timeout_ms":
		most := lim.timeout.Milliseconds()
		if n < 1 || int64(n) > most {
			return badRequest("bad_timeout", fmt.Sprintf("The option timeout_ms must be a whole number of milliseconds from 1 to %d.", most))
		}
		u.timeout = time.Duration(n) * time.Millisecond
	default:
		panic("BUG: unknown option " + name)
	}
	return nil
}

func tooManyImages(got, most int) error {
	return &apiError{
		status: fasthttp.StatusRequestEntityTooLarge, code: "too_many_images", reason: "too_many_images",
		sentence: fmt.Sprintf("This request has %d images; one request may carry at most %d. Split it.", got, most),
	}
}
