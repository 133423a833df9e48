package server

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// Replies are appended, not marshalled: an answer is a few hundred bytes of known shape, labels are quoted once at
// load, and the buffer is the reply's own. That leaves nothing for the garbage collector on the hot path.

// timing is where one image's time went. total runs from the request's last byte to the answer.
type timing struct {
	decode, queue, inference, total time.Duration

	waited   time.Duration // the part of queue before decode
	cache    time.Duration // finding out whether the answer is known already
	cacheUse cacheUse
}

// cacheUse says what an answer has to do with other requests.
type cacheUse uint8

const (
	cacheOff    cacheUse = iota
	cacheMiss            // the answer was not in the cache
	cacheHit             // it was
	cacheShared          // it is that of the same image in a request under way
	cacheMixed           // the images of the request differ in this
)

var cacheUseNames = [...]string{"", "miss", "hit", "shared", "mixed"}

// outcome is what became of one image.
type outcome struct {
	top       []prediction
	batchSize int
	timing    timing
	err       error
}

// prediction is one class and its probability, 0 to 1.
type prediction struct {
	index       int
	probability float32
}

// appendAnswer appends the answer to one image: its predictions, or its error. imageNo is -1 for the only image of a
// request, else its place in the list, which then is part of its request id, so that every answer has its own.
func appendAnswer(dst []byte, id string, imageNo int, m *served, o *outcome) []byte {
	if o.err != nil {
		return appendError(dst, public(o.err))
	}
	dst = append(dst, `{"request_id":"`...)
	dst = append(dst, id...) // a sane id needs no escaping
	if imageNo >= 0 {
		dst = append(dst, '-')
		dst = strconv.AppendInt(dst, int64(imageNo), 10)
	}
	dst = append(dst, `","model":"`...)
	dst = append(dst, m.Name...)
	dst = append(dst, `","version":"`...)
	dst = append(dst, m.Version...)
	dst = append(dst, `","predictions":[`...)
	for i, p := range o.top {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"label":`...)
		dst = append(dst, m.labelsJSON[p.index]...)
		dst = append(dst, `,"index":`...)
		dst = strconv.AppendInt(dst, int64(p.index), 10)
		dst = append(dst, `,"probability":`...)
		dst = strconv.AppendFloat(dst, float64(p.probability), 'g', 6, 32)
		dst = append(dst, '}')
	}
	dst = append(dst, `],"batch_size":`...)
	dst = strconv.AppendInt(dst, int64(o.batchSize), 10)
	dst = append(dst, `,"timing_ms":{"decode":`...)
	dst = appendMillis(dst, o.timing.decode)
	dst = append(dst, `,"queue":`...)
	dst = appendMillis(dst, o.timing.queue)
	dst = append(dst, `,"inference":`...)
	dst = appendMillis(dst, o.timing.inference)
	dst = append(dst, `,"total":`...)
	dst = appendMillis(dst, o.timing.total)
	if o.timing.cacheUse == cacheHit {
		return append(dst, `},"cached":true}`...)
	}
	return append(dst, "}}"...)
}

// appendError appends the error object of the contract.
func appendError(dst []byte, e *apiError) []byte {
	dst = append(dst, `{"error":`...)
	dst = appendString(dst, e.sentence)
	dst = append(dst, `,"code":"`...)
	dst = append(dst, e.code...)
	return append(dst, `"}`...)
}

// appendMillis appends d in milliseconds with microsecond precision.
func appendMillis(dst []byte, d time.Duration) []byte {
	us := int64(d.Round(time.Microsecond) / time.Microsecond)
	if us < 0 {
		dst, us = append(dst, '-'), -us
	}
	dst = strconv.AppendInt(dst, us/1000, 10)
	us %= 1000
	if us == 0 {
		return dst
	}
	dst = append(dst, '.', byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10))
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// appendServerTiming appends a Server-Timing value; t's parts are left out when there was no image.
func appendServerTiming(dst []byte, t timing) []byte {
	if t.cacheUse != cacheOff {
		dst = append(dst, "cache;desc="...)
		dst = append(dst, cacheUseNames[t.cacheUse]...)
		dst = append(dst, ";dur="...)
		dst = appendMillis(dst, t.cache)
		dst = append(dst, ", "...)
	}
	if t.decode > 0 || t.queue > 0 || t.inference > 0 {
		dst = append(dst, "decode;dur="...)
		dst = appendMillis(dst, t.decode)
		dst = append(dst, ", queue;dur="...)
		dst = appendMillis(dst, t.queue)
		dst = append(dst, ", inference;dur="...)
		dst = appendMillis(dst, t.inference)
		dst = append(dst, ", "...)
	}
	dst = append(dst, "total;dur="...)
	return appendMillis(dst, t.total)
}

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic("BUG: a string that JSON cannot hold: " + err.Error())
	}
	return append(dst, b...)
}

// setJSON makes body the reply. The reply keeps a copy.
func setJSON(ctx *fasthttp.RequestCtx, body []byte) {
	ctx.SetContentType("application/json")
	ctx.SetBody(body)
}

// writeJSON answers with v marshalled, for the routes where speed does not matter.
func writeJSON(ctx *fasthttp.RequestCtx, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("BUG: cannot marshal a reply: " + err.Error())
	}
	setJSON(ctx, b)
}
