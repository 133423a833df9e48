package client

import (
	"context"
	"net/http"
	"time"
)

// ModelList is what a server has.
type ModelList struct {
	Default string      `json:"default"` // the model that answers when none is named; empty when none does
	Models  []ModelInfo `json:"models"`  // the default first; those of which nothing answers last
}

// ModelInfo is one model.
type ModelInfo struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`  // that answers when none is named
	Versions   []string `json:"versions"` // all that answer
	State      string   `json:"state"`    // "ready" or "draining"; where no version answers, that of the newest
	NumClasses int      `json:"num_classes"`
	Labels     []string `json:"labels"` // by index
	Input      Input    `json:"input"`

	Architecture string  `json:"architecture"`
	Precision    string  `json:"precision"`
	Device       string  `json:"device"`
	Parameters   int64   `json:"parameters"` // number of weights; 0: not known
	Accuracy     float64 `json:"accuracy"`   // share of right answers, 0 to 1; 0: not known
	AccuracyOn   string  `json:"accuracy_on"`

	VersionStates []VersionState `json:"version_states"` // all that are in the repository, loaded or not
	Traffic       *Traffic       `json:"traffic"`        // nil where nothing answers
}

// Input says what becomes of an image before the model sees it. Callers need not care: they send files of any size.
type Input struct {
	Width         int        `json:"width"`
	Height        int        `json:"height"`
	Channels      int        `json:"channels"`
	Interpolation string     `json:"interpolation"`
	CropPct       float64    `json:"crop_pct"`
	CropMode      string     `json:"crop_mode"`
	Mean          [3]float32 `json:"mean"`
	Std           [3]float32 `json:"std"`
}

// VersionState is the state of one version: "loading", "ready", "unloading" or "unavailable".
type VersionState struct {
	Version string `json:"version"` // empty where the model as a whole cannot be loaded
	State   string `json:"state"`
	Reason  string `json:"reason"` // why it is unavailable, or why something older than its folder serves
}

// Models lists the models, loaded or not.
func (c *Client) Models(ctx context.Context) (*ModelList, error) {
	list := new(ModelList)
	if err := c.ask(ctx, http.MethodGet, "/v1/models", false, nil, list); err != nil {
		return nil, err
	}
	return list, nil
}

// Model describes one model. The error is ErrModelNotFound if there is none of that name.
func (c *Client) Model(ctx context.Context, name string) (*ModelInfo, error) {
	path, err := modelPath(name)
	if err != nil {
		return nil, err
	}
	m := new(ModelInfo)
	if err := c.ask(ctx, http.MethodGet, path, false, nil, m); err != nil {
		return nil, err
	}
	return m, nil
}

// Health returns nil when the server's process answers.
func (c *Client) Health(ctx context.Context) error {
	return c.ask(ctx, http.MethodGet, "/healthz", false, nil, nil)
}

// Ready returns nil when new work may be sent, else why not: ErrLoading, ErrDraining, ErrNoModel.
func (c *Client) Ready(ctx context.Context) error {
	return c.ask(ctx, http.MethodGet, "/readyz", false, nil, nil)
}

// readyEvery is how often WaitReady asks.
const readyEvery = 50 * time.Millisecond

// WaitReady asks until the server is ready, also while nothing listens there yet. When ctx ends first it returns the last answer of
// Ready, or why there was none.
func (c *Client) WaitReady(ctx context.Context) error {
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for {
		err := c.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}
