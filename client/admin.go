package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// The calls in this file need WithAdminKey, or run on the server's own machine where no key was set. They are
// never tried again by themselves.

// Load loads a model, or loads it anew: the versions that the repository's policy chooses. It returns when the model serves, which
// may take as long as the context allows. When it cannot be loaded, the error says why (ErrModelLoadFailed), and what
// served before goes on.
func (c *Client) Load(ctx context.Context, model string) error {
	return c.change(ctx, model, "load", nil)
}

// LoadVersion loads that version alone, whatever the repository's policy says, until the next Load or Unload.
func (c *Client) LoadVersion(ctx context.Context, model, version string) error {
	if err := checkName("version", version); err != nil {
		return err
	}
	return c.change(ctx, model, "load", map[string]any{"parameters": map[string]any{"version": version}})
}

// Unload stops serving a model. It returns when its last request is answered.
func (c *Client) Unload(ctx context.Context, model string) error {
	return c.change(ctx, model, "unload", nil)
}

func (c *Client) change(ctx context.Context, model, how string, parameters any) error {
	if err := checkName("model", model); err != nil {
		return err
	}
	return c.ask(ctx, http.MethodPost, "/v2/repository/models/"+url.PathEscape(model)+"/"+how, true, parameters, nil)
}

// Rules say which of a model's versions answer the requests that name none. The zero value leaves all to the newest version.
type Rules struct {
	Default string `json:"default,omitempty"` // the version that answers; empty: the newest that is neither canary nor shadow
	Canary  *Share `json:"canary,omitempty"`  // a version that answers some of the requests
	Shadow  *Share `json:"shadow,omitempty"`  // a version that gets copies of some; what it says is compared, never returned
	Sticky  string `json:"sticky,omitempty"`  // who gets the canary: "request_id" (default), or a header such as "header:X-User-Id"
}

// Share is a version and the percentage of the requests that it gets, 0 to 100.
type Share struct {
	Version string  `json:"version"`
	Percent float64 `json:"percent"`
}

// Traffic is a model's traffic as it is.
type Traffic struct {
	Default string       `json:"default"` // the version that answers now
	Pinned  bool         `json:"pinned"`  // because it was asked for, not because it is the newest
	Canary  *ShareState  `json:"canary"`  // nil: none
	Shadow  *ShareState  `json:"shadow"`
	Sticky  string       `json:"sticky"`
	Shadows *Comparisons `json:"shadow_results"` // nil without a shadow
}

// ShareState is a Share, and whether its version is ready to take it.
type ShareState struct {
	Share
	Ready bool `json:"ready"`
}

// Comparisons say how a shadow's answers differed from those that were given.
type Comparisons struct {
	Since             time.Time `json:"since"`
	Images            uint64    `json:"images"`
	Disagreements     uint64    `json:"disagreements"` // another likeliest label
	DisagreementRatio float64   `json:"disagreement_ratio"`
	MeanDifference    float64   `json:"mean_probability_difference"` // of the label that was answered
	MeanMillis        float64   `json:"mean_ms"`
	MeanAnswered      float64   `json:"mean_answered_ms"` // of the version that answered
	Failed            uint64    `json:"failed"`
	Dropped           uint64    `json:"dropped"` // not given to the shadow
}

// Traffic returns a model's traffic. It needs no key.
func (c *Client) Traffic(ctx context.Context, model string) (*Traffic, error) {
	return c.traffic(ctx, http.MethodGet, model, nil)
}

// SetTraffic puts rules in the place of those in force, for the requests that come from now on, and returns what came of it. The
// versions need not be there yet.
func (c *Client) SetTraffic(ctx context.Context, model string, r Rules) (*Traffic, error) {
	return c.traffic(ctx, http.MethodPut, model, r)
}

// ClearTraffic ends all rules: the newest version answers.
func (c *Client) ClearTraffic(ctx context.Context, model string) (*Traffic, error) {
	return c.traffic(ctx, http.MethodDelete, model, nil)
}

func (c *Client) traffic(ctx context.Context, method, model string, rules any) (*Traffic, error) {
	path, err := modelPath(model)
	if err != nil {
		return nil, err
	}
	t := new(Traffic)
	if err := c.ask(ctx, method, path+"/traffic", method != http.MethodGet, rules, t); err != nil {
		return nil, err
	}
	return t, nil
}
