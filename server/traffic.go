package server

// Traffic says which of a model's versions answer the requests that name none. The zero value leaves all of them to the
// newest version that is ready.
type Traffic struct {
	// Default answers what no other rule takes. Empty stands for the newest ready version that is neither the canary
	// nor the shadow.
	Default string `json:"default,omitempty"`

	// Canary answers a share of the requests. Nil for none.
	Canary *Share `json:"canary,omitempty"`

	// Shadow gets a copy of a share of the requests, beside the version that answers them. What it says is compared
	// and counted, never returned. Nil for none.
	Shadow *Share `json:"shadow,omitempty"`

	// Sticky says what of a request decides whether the canary takes it: "request_id", or "header:" and the name of a header, such as
	// "header:X-User-Id", so that one user always sees one version. Requests without that header go by their id.
	// Empty stands for "request_id".
	Sticky string `json:"sticky,omitempty"`
}

// Share is a version and the percentage of the requests that it gets, 0 to 100.
type Share struct {
	Version string  `json:"version"`
	Percent float64 `json:"percent"`
}
