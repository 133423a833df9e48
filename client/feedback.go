package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// MaxLabels is how many labels a server takes in one request. FeedbackBatch sends more in several.
const MaxLabels = 1000

// Label is the true class of an image that was answered before: by name, or by index where Name is empty.
type Label struct {
	RequestID string // Result.RequestID of the answer
	Name      string
	Index     int
}

// MarshalJSON implements json.Marshaler.
func (l Label) MarshalJSON() ([]byte, error) {
	var label any = l.Index
	if l.Name != "" {
		label = l.Name
	}
	return json.Marshal(struct {
		RequestID string `json:"request_id"`
		Label     any    `json:"label"`
	}{l.RequestID, label})
}

// Verdict says how a label compares with the answer that the model gave.
type Verdict struct {
	RequestID string `json:"request_id"`
	Model     string `json:"model"`
	Version   string `json:"version"` // that gave the answer
	Label     string `json:"label"`   // the true class
	Index     int    `json:"index"`
	Predicted struct {
		Label string `json:"label"`
		Index int    `json:"index"`
	} `json:"predicted"`
	Correct bool `json:"correct"`
}

// Feedback tells a server that keeps a prediction log what an image really showed. When it returns nil the label is on the server's disk. It may be sent
// again; the last label wins. The error is ErrUnknownRequest where the log has no such answer.
func (c *Client) Feedback(ctx context.Context, model string, l Label) (*Verdict, error) {
	path, err := modelPath(model)
	if err != nil {
		return nil, err
	}
	v := new(Verdict)
	if err := c.ask(ctx, http.MethodPost, path+"/feedback", false, l, v); err != nil {
		return nil, err
	}
	return v, nil
}

// FeedbackResult is what became of one label: a Verdict, or why it was not stored.
type FeedbackResult struct {
	*Verdict
	Err error
}

// FeedbackBatch is Feedback for many labels. The error says that no more are stored than the results, which are those of the first
// labels, in order.
func (c *Client) FeedbackBatch(ctx context.Context, model string, labels []Label) ([]FeedbackResult, error) {
	path, err := modelPath(model)
	if err != nil {
		return nil, err
	}
	var results []FeedbackResult
	for len(labels) > 0 {
		n := min(len(labels), MaxLabels)
		part, err := c.feedback(ctx, c.base+path+"/feedback", labels[:n])
		if err != nil {
			return results, err
		}
		results, labels = append(results, part...), labels[n:]
	}
	return results, nil
}

func (c *Client) feedback(ctx context.Context, target string, labels []Label) ([]FeedbackResult, error) {
	body, err := json.Marshal(map[string]any{"feedback": labels})
	if err != nil {
		return nil, fmt.Errorf("cannot write the request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("cannot make the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, reply, err := c.do(req)
	if err != nil {
		return nil, err
	}
	var said struct {
		Results []struct {
			Verdict
			Error string
			Code  Code
		}
	}
	// When all have failed the status is the first one's, and the results are there all the same.
	if json.Unmarshal(reply, &said) != nil || said.Results == nil {
		if resp.StatusCode != http.StatusOK {
			return nil, errorOf(resp, reply)
		}
		return nil, fmt.Errorf("cannot understand the answer of %s; is it a Torchlit server?", c.base)
	}
	if len(said.Results) != len(labels) {
		return nil, fmt.Errorf("cannot use the answer of %s: it has %d results for %d labels", c.base, len(said.Results), len(labels))
	}
	out := make([]FeedbackResult, len(labels))
	for i := range said.Results {
		if r := &said.Results[i]; r.Error != "" {
			out[i].Err = &Error{Code: r.Code, Message: r.Error, RequestID: labels[i].RequestID}
		} else {
			out[i].Verdict = &r.Verdict
		}
	}
	return out, nil
}

// DeletePrediction deletes what the server's prediction log keeps of a request: all its answers, or the one with this id. It returns how
// many they were. It is an admin's right.
func (c *Client) DeletePrediction(ctx context.Context, model, requestID string) (int, error) {
	path, err := modelPath(model)
	if err != nil {
		return 0, err
	}
	var said struct{ Deleted int }
	err = c.ask(ctx, http.MethodDelete, path+"/predictions?request_id="+url.QueryEscape(requestID), true, nil, &said)
	return said.Deleted, err
}
