// Package client talks to a Torchlit server over its HTTP API, /v1. It imports the standard library alone: no libtorch, no cgo,
// and none of the server.
//
//	c, err := client.New("http://localhost:8080")
//	…
//	result, err := c.Classify(ctx, jpeg, client.TopK(3))
//
// # Deadlines
//
// The deadline of a context is the server's, too: it is told what is left of it, so a request that can no longer be answered in
// time is refused at once, and one that waits is dropped when its time is over.
//
// # Errors
//
// What the server says no with is an *Error. Its code is an error value of its own, so errors.Is(err, client.ErrQueueFull) asks
// for the reason. What never became an answer (no connection, a context that ended) is another error, and wraps its cause.
//
// # Memory
//
// The bytes of an image belong to the caller again when the call has returned, whatever became of it.
package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client is a connection pool to one server, or to several behind one address. Many goroutines may use it at once.
type Client struct {
	base     string // without a slash at its end
	http     *http.Client
	header   http.Header // of every request
	adminKey string
	retry    Retry
	maxReply int64

	imagesPerRequest int
	bytesPerRequest  int
}

// Option changes what New makes.
type Option func(*Client)

// Defaults of what the options set.
const (
	DefaultMaxReply         = 16 << 20 // bytes
	DefaultImagesPerRequest = 32       // what a server takes unless it is told otherwise
	DefaultBytesPerRequest  = 30 << 20 // below the 32 MiB that a server takes, to leave room for what is between the images
	defaultUserAgent        = "torchlit-client"
	idlePerHost             = 64 // the two of http.DefaultTransport would close most connections of a busy caller
)

// New makes a client of the server at baseURL, such as "http://localhost:8080". A path in it is put before all routes. Nothing
// is sent yet.
func New(baseURL string, options ...Option) (*Client, error) {
	u, err := url.Parse(baseURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("cannot use %q as the address of a server: write it as http://HOST:PORT", baseURL)
	}
	c := &Client{
		base:   strings.TrimRight(baseURL, "/"),
		http:   &http.Client{Transport: defaultTransport()},
		header: http.Header{"User-Agent": {defaultUserAgent}},

		maxReply:         DefaultMaxReply,
		imagesPerRequest: DefaultImagesPerRequest,
		bytesPerRequest:  DefaultBytesPerRequest,
	}
	for _, o := range options {
		o(c)
	}
	if c.maxReply < 1 || c.imagesPerRequest < 1 || c.bytesPerRequest < 1 {
		return nil, errors.New("cannot make a client: its limits must be positive")
	}
	if err := c.retry.ensureDefaults(); err != nil {
		return nil, fmt.Errorf("cannot make a client: %w", err)
	}
	return c, nil
}

func defaultTransport() http.RoundTripper {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment}
	if d, ok := http.DefaultTransport.(*http.Transport); ok {
		t = d.Clone()
	}
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, idlePerHost
	t.DisableCompression = true // answers are short, and images are compressed already
	return t
}

// WithTransport sends requests through rt: for other TLS settings, a Unix socket, or tracing. A RoundTripper that adds
// traceparent, such as otelhttp's, finds the caller's span in the request's context; the server goes on with that trace.
func WithTransport(rt http.RoundTripper) Option { return func(c *Client) { c.http.Transport = rt } }

// WithHeader sends a header with every request, such as the key that a proxy before the server asks for.
func WithHeader(name, value string) Option { return func(c *Client) { c.header.Set(name, value) } }

// WithUserAgent names the caller in the server's access log.
func WithUserAgent(name string) Option { return WithHeader("User-Agent", name) }

// WithAPIKey sets the key that is sent with every request, for a server that asks for one.
func WithAPIKey(key string) Option { return WithHeader("X-Api-Key", key) }

// WithAdminKey sets the key for the calls that load, unload and route models. It is sent with those alone.
func WithAdminKey(key string) Option { return func(c *Client) { c.adminKey = key } }

// WithMaxReply bounds the bytes of a reply that are read; a longer one is an error. Default DefaultMaxReply.
func WithMaxReply(bytes int64) Option { return func(c *Client) { c.maxReply = bytes } }

// WithRequestLimits bounds what ClassifyBatch puts into one request. The defaults fit a server that was not told otherwise.
func WithRequestLimits(images, bytes int) Option {
	return func(c *Client) { c.imagesPerRequest, c.bytesPerRequest = images, bytes }
}

// WithRetry tries a classification again that was refused for load. Without it every refusal goes to the caller.
func WithRetry(r Retry) Option { return func(c *Client) { c.retry = r } }

// Close closes the connections that are not in use. The client can still be used.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// CallOption changes one classification.
type CallOption func(*call)

// call is what a classification asks for.
type call struct {
	topK           int
	timeout        time.Duration
	model, version string
	low            bool
	requestID      string
	header         http.Header
}

// TopK asks for the n likeliest classes. Without it they are five.
func TopK(n int) CallOption { return func(c *call) { c.topK = n } }

// Timeout is the deadline of the request, from when the server has its last byte. The context's counts too, if it is nearer. Without
// either the server's own default holds.
func Timeout(d time.Duration) CallOption { return func(c *call) { c.timeout = d } }

// Model asks a model other than the server's first.
func Model(name string) CallOption { return func(c *call) { c.model = name } }

// Version asks one version of the model, whatever the model's traffic is. It needs Model.
func Version(version string) CallOption { return func(c *call) { c.version = version } }

// LowPriority marks work that nobody waits for: it runs when nothing else is to be done, and is refused first.
func LowPriority() CallOption { return func(c *call) { c.low = true } }

// RequestID names the request in the server's logs and in the answer. Without it the server chooses one.
func RequestID(id string) CallOption { return func(c *call) { c.requestID = id } }

// Header sends a header, such as the one that a canary goes by.
func Header(name, value string) CallOption {
	return func(c *call) {
		if c.header == nil {
			c.header = http.Header{}
		}
		c.header.Set(name, value)
	}
}
