package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
)

// do sends a request and returns the reply with its whole body. The error is that there was none.
func (c *Client) do(req *http.Request) (*http.Response, []byte, error) {
	for name, values := range c.header {
		if _, set := req.Header[name]; !set {
			req.Header[name] = values
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // it repeats the address
		}
		return nil, nil, fmt.Errorf("cannot get an answer from %s: %w", c.base, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.maxReply+1))
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the answer of %s: %w", c.base, err)
	}
	if int64(len(body)) > c.maxReply {
		return nil, nil, fmt.Errorf("cannot read the answer of %s: %w (%d bytes)", c.base, ErrReplyTooLarge, c.maxReply)
	}
	return resp, body, nil
}

// ask sends a request with a body of JSON, or none, and reads the reply into out, nil if nothing is to be read.
func (c *Client) ask(ctx context.Context, method, path string, admin bool, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("cannot write the request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("cannot make the request: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if admin && c.adminKey != "" {
		req.Header.Set("Authorization", "Bearer "+c.adminKey)
	}
	resp, reply, err := c.do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errorOf(resp, reply)
	}
	if out == nil {
		return nil
	}
	return c.decode(reply, out)
}

func (c *Client) decode(reply []byte, out any) error {
	if err := json.Unmarshal(reply, out); err != nil {
		return fmt.Errorf("cannot understand the answer of %s: %w; is it a Torchlit server?", c.base, err)
	}
	return nil
}

// askFrom is the size from which the server is asked before a body is sent, so that a refusal spares the way. It costs a round trip.
const askFrom = 1 << 20

// post sends p once to a classify route.
func (c *Client) post(ctx context.Context, l *lent, ask *call, p *payload) (*http.Response, []byte, error) {
	target, err := c.classifyURL(ctx, ask)
	if err != nil {
		return nil, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make the request: %w", err)
	}
	if p.size > 0 {
		req.ContentLength, req.Body = p.size, l.reader(p)
		req.GetBody = func() (io.ReadCloser, error) { return l.reader(p), nil }
	}
	maps.Copy(req.Header, ask.header)
	req.Header.Set("Content-Type", p.contentType)
	if p.size > askFrom {
		req.Header.Set("Expect", "100-continue")
	}
	if ask.requestID != "" {
		req.Header.Set("X-Request-Id", ask.requestID)
	}
	// It is not sent. It lets net/http send the request once more over another connection when the one that it was kept alive
	// on turns out to be closed, because nothing is changed by a classification.
	req.Header["Idempotency-Key"] = nil
	return c.do(req)
}
