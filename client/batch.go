package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Outcome is what became of one image of several: a Result, or else an error.
type Outcome struct {
	*Result
	Err error // an *Error when the server refused this image
}

// requestsAtOnce is how many requests of one ClassifyBatch are under way: while one is answered, the next travels.
const requestsAtOnce = 2

// ClassifyBatch classifies any number of images and returns an Outcome for each, in order. More images than a request may carry
// go in several. An image that cannot be used fails alone.
//
// The error is the first one that is not about an image itself: a refusal, an unknown model, a lost connection. The images that it
// kept from an answer have it as theirs, and all other outcomes stand.
//
// With a Retry, images that were refused for load are sent again, and those only.
func (c *Client) ClassifyBatch(ctx context.Context, images [][]byte, options ...CallOption) ([]Outcome, error) {
	ask, l := newCall(options), new(lent)
	defer l.end()
	outcomes := make([]Outcome, len(images))
	chunks := c.split(images)
	var wg sync.WaitGroup
	places := make(chan struct{}, requestsAtOnce)
	for _, chunk := range chunks {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			c.classifyChunk(ctx, l, ask, images[chunk.from:chunk.to], outcomes[chunk.from:chunk.to])
		})
	}
	wg.Wait()
	for _, o := range outcomes {
		if o.Err != nil && !aboutImage(o.Err) {
			return outcomes, o.Err
		}
	}
	return outcomes, nil
}

// aboutImage reports whether an error is the image's own, which another server would find as well.
func aboutImage(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	switch e.Code {
	case ErrNotAnImage, ErrCannotDecode, ErrEmptyImage, ErrEmptyBody, ErrTooManyPixels, ErrBodyTooLarge:
		return true
	}
	return false
}

// span is a part of the images: from ≤ i < to.
type span struct{ from, to int }

// split parts the images so that each part fits a request, and none is empty.
func (c *Client) split(images [][]byte) []span {
	var spans []span
	from, size := 0, 0
	for i, image := range images {
		if i > from && (i-from == c.imagesPerRequest || size+len(image) > c.bytesPerRequest) {
			spans = append(spans, span{from, i})
			from, size = i, 0
		}
		size += len(image)
	}
	if from < len(images) {
		spans = append(spans, span{from, len(images)})
	}
	return spans
}

// classifyChunk sends the images of one request, and again those that were refused for load.
func (c *Client) classifyChunk(ctx context.Context, l *lent, ask *call, images [][]byte, outcomes []Outcome) {
	pending := make([]int, len(images))
	for i := range pending {
		pending[i] = i
	}
	for tried := 1; ; tried++ {
		sent := make([][]byte, len(pending))
		for i, p := range pending {
			sent[i] = images[p]
		}
		got, err := c.sendChunk(ctx, l, ask, sent)
		for i, p := range pending {
			if err != nil {
				outcomes[p] = Outcome{Err: err}
			} else {
				outcomes[p] = got[i]
			}
		}
		refused := err
		if err == nil {
			pending, refused = stillBusy(outcomes, pending)
		}
		if refused == nil || !c.retry.again(ctx, refused, tried) {
			return
		}
	}
}

// stillBusy returns which of the pending images were refused for load, and the refusal that says to wait longest.
func stillBusy(outcomes []Outcome, pending []int) (again []int, refused error) {
	longest := time.Duration(-1)
	for _, p := range pending {
		e, ok := errors.AsType[*Error](outcomes[p].Err)
		if !ok || !e.busy() {
			continue
		}
		again = append(again, p)
		if e.RetryAfter > longest {
			longest, refused = e.RetryAfter, e
		}
	}
	return again, refused
}

// sendChunk sends images once, as one request.
func (c *Client) sendChunk(ctx context.Context, l *lent, ask *call, images [][]byte) ([]Outcome, error) {
	if len(images) == 1 { // The answer to a form with one file is that of one image.
		r, err := c.classifyOnce(ctx, l, ask, oneImage(images[0]))
		return []Outcome{{r, err}}, nil
	}
	resp, reply, err := c.post(ctx, l, ask, form(images))
	if err != nil {
		return nil, err
	}
	return c.readList(resp, reply, len(images))
}

// listed is one entry of the answer to several images.
type listed struct {
	*Result
	Error string `json:"error"`
	Code  Code   `json:"code"`
}

// readList reads the answer to n images. When all of them failed its status says so, and it is a list nevertheless.
func (c *Client) readList(resp *http.Response, reply []byte, n int) ([]Outcome, error) {
	var list struct {
		Results []listed `json:"results"`
	}
	if err := json.Unmarshal(reply, &list); resp.StatusCode != http.StatusOK && (err != nil || list.Results == nil) {
		return nil, errorOf(resp, reply)
	} else if err != nil {
		return nil, c.decode(reply, &list)
	}
	if len(list.Results) != n {
		return nil, fmt.Errorf("cannot understand the answer of %s: it has %d results for %d images", c.base, len(list.Results), n)
	}
	outcomes := make([]Outcome, n)
	for i, one := range list.Results {
		if one.Error == "" && one.Result != nil && len(one.Predictions) > 0 {
			outcomes[i].Result = one.Result
			continue
		}
		e := &Error{Code: one.Code, Message: one.Error, RequestID: resp.Header.Get("X-Request-Id"), RetryAfter: retryAfter(resp.Header, time.Now())}
		if resp.StatusCode != http.StatusOK {
			e.Status = resp.StatusCode // that of the first image
		}
		if e.Code == "" {
			e.Message = "the answer names no class"
		}
		outcomes[i].Err = e
	}
	return outcomes, nil
}
