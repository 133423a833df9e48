package oip

import (
	"bytes"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/valyala/bytebufferpool"
	"github.com/valyala/fasthttp"
)

// headerLength is the header that parts a body's JSON from its binary tensors.
const headerLength = "Inference-Header-Content-Length"

var headerLengthCanonical = []byte(headerLength) // as fasthttp writes it

// requests are pooled: most have one input and no output list.
var requests = sync.Pool{New: func() any { return new(InferRequest) }}

// Infer answers the infer routes. It takes the names of model and version from the user values that the router sets.
func (h *Handler) Infer(ctx *fasthttp.RequestCtx) {
	body, err := h.body(ctx)
	if err != nil {
		h.Fail(ctx, err)
		return
	}
	req := requests.Get().(*InferRequest)
	defer func() {
		*req = InferRequest{Inputs: req.Inputs[:0]}
		clear(req.Inputs[:cap(req.Inputs)])
		requests.Put(req)
	}()
	raw, err := h.parse(ctx, req, body)
	if err != nil {
		h.Fail(ctx, err)
		return
	}
	timeout, err := Timeout(req.Parameters, h.MaxTimeout)
	if err != nil {
		h.Fail(ctx, err)
		return
	}
	rctx := h.Begin(ctx, timeout)
	defer h.End(ctx)
	resp, err := h.Backend.Infer(rctx, req)
	if err != nil {
		h.Fail(ctx, err)
		return
	}
	h.respond(ctx, req, resp, raw)
}

// body is the request's body, unpacked.
func (h *Handler) body(ctx *fasthttp.RequestCtx) ([]byte, error) {
	if err := h.Receive(ctx); err != nil {
		return nil, err
	}
	given := ctx.Request.Header.ContentEncoding()
	if len(given) == 0 {
		return ctx.Request.Body(), nil
	}
	var unpacker io.Reader
	var err error
	packed := ctx.Request.Body()
	switch encoding := string(bytes.ToLower(bytes.TrimSpace(given))); encoding {
	case "", "identity":
		return packed, nil
	case "gzip":
		unpacker, err = gzip.NewReader(bytes.NewReader(packed))
	case "deflate":
		unpacker, err = zlib.NewReader(bytes.NewReader(packed))
	default:
		ctx.Response.Header.Set(fasthttp.HeaderAcceptEncoding, "gzip, deflate")
		return nil, &Error{fasthttp.StatusUnsupportedMediaType, "unsupported_encoding", "The body's Content-Encoding is " + strconv.Quote(clip(encoding)) + "; gzip and deflate are understood."}
	}
	if err != nil {
		return nil, errPacked
	}
	return h.unpack(ctx, unpacker, len(packed))
}

var errPacked = bad("bad_encoding", "The body cannot be unpacked: it is not what its Content-Encoding says.")

// unpackStep is how much of a body is unpacked before it is counted.
const unpackStep = 64 << 10

// unpack reads a body of so many packed bytes. A few kilobytes may become a thousand times as much, so memory is counted before it
// grows.
func (h *Handler) unpack(ctx *fasthttp.RequestCtx, r io.Reader, packed int) ([]byte, error) {
	var body []byte
	for {
		if len(body) == cap(body) {
			size := max(2*cap(body), unpackStep)
			if err := h.Hold(ctx, packed+size+cap(body)); err != nil {
				return nil, err
			}
			body = append(make([]byte, 0, size), body...)
		}
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case len(body) > h.MaxBody:
			return nil, &Error{fasthttp.StatusRequestEntityTooLarge, "body_too_large", "The body is larger than " + strconv.Itoa(h.MaxBody) + " bytes once it is unpacked."}
		case err == io.EOF:
			return body, nil
		case err != nil:
			return nil, errPacked
		}
	}
}

// valuesOfJSON is how many bytes are made of one of a tensor in JSON, about: four of "0,".
const valuesOfJSON = 4

// parse reads the request in whichever of its three forms it has, and reports whether it is the raw binary one.
func (h *Handler) parse(ctx *fasthttp.RequestCtx, req *InferRequest, body []byte) (raw bool, err error) {
	req.Model, req.Version = named(ctx)
	given := PeekCanonical(&ctx.Request.Header, headerLength)
	if len(given) == 0 {
		if err := h.Hold(ctx, (1+valuesOfJSON)*len(body)); err != nil {
			return false, err
		}
		return false, ParseRequest(req, body, -1)
	}
	length, err := strconv.Atoi(string(given))
	if err != nil || length < 0 {
		return false, bad("bad_header_length", "%s is %q; it must be the length of the JSON in bytes.", headerLength, clip(string(given)))
	}
	if length > 0 {
		if err := h.Hold(ctx, len(body)+valuesOfJSON*length); err != nil {
			return false, err
		}
		return false, ParseRequest(req, body, length)
	}
	if len(body) == 0 {
		return false, bad("empty_body", "The request has no body.")
	}
	req.Inputs = append(req.Inputs, Tensor{Raw: body}) // what it is, the backend knows
	return true, nil
}

// PeekCanonical is h.Peek for a name that is written as fasthttp keeps it, such as "X-Request-Id". Peek would bring the name into
// that form each time, which costs more than to look it up.
func PeekCanonical(h *fasthttp.RequestHeader, name string) []byte {
	if h.DisableNormalizing() {
		return h.Peek(name)
	}
	defer h.EnableNormalizing()
	return h.Peek(name)
}

// Timeout is the parameter "timeout", in microseconds, as a duration; 0 where there is none.
func Timeout(parameters map[string]any, most time.Duration) (time.Duration, error) {
	v, ok := parameters["timeout"]
	if !ok {
		return 0, nil
	}
	n, ok := Whole(v)
	if !ok || n < 0 || n > most.Microseconds() {
		return 0, bad("bad_timeout", "The parameter \"timeout\" must be a whole number of microseconds up to %d.", most.Microseconds())
	}
	return time.Duration(n) * time.Microsecond, nil
}

// respond writes the response: the outputs that were asked for so in binary, packed if the client takes that.
func (h *Handler) respond(ctx *fasthttp.RequestCtx, req *InferRequest, resp *InferResponse, raw bool) {
	buf := bytebufferpool.Get()
	defer bytebufferpool.Put(buf)
	all := raw || truth(req.Parameters["binary_data_output"])
	body, header, err := AppendResponse(buf.B[:0], resp, func(i int) bool {
		for j := range req.Outputs {
			if o := &req.Outputs[j]; o.Name == resp.Outputs[i].Name {
				if v, ok := o.Parameters["binary_data"]; ok {
					return truth(v)
				}
			}
		}
		return all
	})
	if err != nil {
		h.Fail(ctx, err)
		return
	}
	buf.B = body
	if header > 0 {
		var digits [20]byte
		ctx.SetContentType("application/octet-stream")
		ctx.Response.Header.SetCanonical(headerLengthCanonical, strconv.AppendInt(digits[:0], int64(header), 10))
	} else {
		ctx.SetContentType("application/json")
	}
	pack(ctx, body)
}

func truth(v any) bool {
	b, _ := v.(bool)
	return b
}

// worthPacking is the size from which a body is packed: less fits into a packet or two as it is.
const worthPacking = 1 << 10

// pack makes body the response, in the encoding that the client likes best.
func pack(ctx *fasthttp.RequestCtx, body []byte) {
	h := &ctx.Response.Header
	if len(body) < worthPacking {
		ctx.SetBody(body)
		return
	}
	switch {
	case ctx.Request.Header.HasAcceptEncoding("gzip"):
		h.SetContentEncoding("gzip")
		ctx.SetBody(fasthttp.AppendGzipBytesLevel(nil, body, fasthttp.CompressBestSpeed))
	case ctx.Request.Header.HasAcceptEncoding("deflate"):
		h.SetContentEncoding("deflate")
		ctx.SetBody(fasthttp.AppendDeflateBytesLevel(nil, body, fasthttp.CompressBestSpeed))
	default:
		ctx.SetBody(body)
	}
	h.Set(fasthttp.HeaderVary, fasthttp.HeaderAcceptEncoding)
}
