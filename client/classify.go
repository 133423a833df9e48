package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Result is the answer to one image.
type Result struct {
	RequestID   string       `json:"request_id"` // of one image of several it has the image's number at its end
	Model       string       `json:"model"`      // that answered
	Version     string       `json:"version"`
	Predictions []Prediction `json:"predictions"` // the likeliest first
	BatchSize   int          `json:"batch_size"`  // images that ran together with this one, itself included
	Timing      Timing       `json:"timing_ms"`
	Cached      bool         `json:"cached"` // the answer was remembered: nothing was run
}

// Prediction is one class and how probable it is, 0 to 1.
type Prediction struct {
	Label       string  `json:"label"`
	Index       int     `json:"index"`
	Probability float32 `json:"probability"`
}

// Timing says where the time went on the server, to the microsecond.
type Timing struct {
	Decode, Queue, Inference time.Duration

	Total time.Duration // from the request's last byte to the answer
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Timing) UnmarshalJSON(b []byte) error {
	var ms struct{ Decode, Queue, Inference, Total float64 }
	if err := json.Unmarshal(b, &ms); err != nil {
		return err
	}
	*t = Timing{millis(ms.Decode), millis(ms.Queue), millis(ms.Inference), millis(ms.Total)}
	return nil
}

func millis(ms float64) time.Duration {
	return time.Duration(ms * float64(time.Millisecond)).Round(time.Microsecond)
}

// Top is the likeliest class, zero if there is none.
func (r *Result) Top() Prediction {
	if len(r.Predictions) == 0 {
		return Prediction{}
	}
	return r.Predictions[0]
}

// Classify sends one image: the bytes of a JPEG, PNG, WebP or another file that the server decodes, as they are. The error is an
// *Error when the server refused; see the package comment.
func (c *Client) Classify(ctx context.Context, image []byte, options ...CallOption) (*Result, error) {
	ask, l := newCall(options), new(lent)
	defer l.end()
	p := oneImage(image)
	for tried := 1; ; tried++ {
		r, err := c.classifyOnce(ctx, l, ask, p)
		if err == nil || !c.retry.again(ctx, err, tried) {
			return r, err
		}
	}
}

func (c *Client) classifyOnce(ctx context.Context, l *lent, ask *call, p *payload) (*Result, error) {
	resp, reply, err := c.post(ctx, l, ask, p)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errorOf(resp, reply)
	}
	r := new(Result)
	if err := c.decode(reply, r); err != nil {
		return nil, err
	}
	if len(r.Predictions) == 0 {
		return nil, fmt.Errorf("cannot understand the answer of %s: it names no class; is it a Torchlit server?", c.base)
	}
	return r, nil
}

// ClassifyReader is Classify for an image that is read first, to its end, which must come within the limit on a request's bytes.
func (c *Client) ClassifyReader(ctx context.Context, image io.Reader, options ...CallOption) (*Result, error) {
	b, err := io.ReadAll(io.LimitReader(image, int64(c.bytesPerRequest)+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the image: %w", err)
	}
	if len(b) > c.bytesPerRequest {
		return nil, fmt.Errorf("cannot send the image: it has more than %d bytes; see WithRequestLimits", c.bytesPerRequest)
	}
	return c.Classify(ctx, b, options...)
}

func newCall(options []CallOption) *call {
	ask := new(call)
	for _, o := range options {
		o(ask)
	}
	return ask
}

// maxTimeout is the longest deadline that a server takes. One that is further away is not worth an error.
const maxTimeout = 5 * time.Minute

var errNoTime = fmt.Errorf("cannot send the request: %w", context.DeadlineExceeded)

// classifyURL is the route and the options of a request that is sent now.
func (c *Client) classifyURL(ctx context.Context, ask *call) (string, error) {
	path := "/v1/classify"
	if ask.version != "" && ask.model == "" {
		return "", errors.New("cannot ask for a version of no model: name the model as well")
	}
	if ask.model != "" {
		var err error
		if path, err = modelPath(ask.model); err != nil {
			return "", err
		}
		if ask.version != "" {
			if err := checkName("version", ask.version); err != nil {
				return "", err
			}
			path += "/versions/" + url.PathEscape(ask.version)
		}
		path += "/classify"
	}
	query := url.Values{}
	if ask.topK != 0 {
		query.Set("top_k", strconv.Itoa(ask.topK))
	}
	if ask.low {
		query.Set("priority", "low")
	}
	timeout := ask.timeout
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		if left <= 0 {
			return "", errNoTime
		}
		if timeout == 0 || left < timeout {
			timeout = min(left, maxTimeout)
		}
	}
	if timeout != 0 {
		query.Set("timeout_ms", strconv.FormatInt(inMillis(timeout), 10))
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.base + path, nil
}

// inMillis rounds up: whoever has half a millisecond left does not ask for none.
func inMillis(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// modelPath is the path of a model. The server knows which names there are; here only those are refused that would be
// another path.
func modelPath(name string) (string, error) {
	if err := checkName("model", name); err != nil {
		return "", err
	}
	return "/v1/models/" + url.PathEscape(name), nil
}

func checkName(what, name string) error {
	if name == "" || name == "." || name == ".." {
		return fmt.Errorf("cannot ask for the %s %q: that is no name", what, name)
	}
	return nil
}
