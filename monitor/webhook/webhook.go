// Package webhook tells another program when an alarm of drift is raised or cleared, by posting JSON to its address.
//
// Nobody waits for it: events go through a bounded queue. What the other end refuses for a while (5xx, 429, no answer) is sent again, at
// growing intervals or when its Retry-After says, until Deadline; other refusals are final. The address may hold a secret, as those
// of chats do: only its host is ever logged.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config says how events are sent. The zero value of a field stands for the default.
type Config struct {
	// SecretFile holds the key of the signature, which is the SHA-256 HMAC of the body, in the header X-Hub-Signature-256 as
	// "sha256=" and hexadecimal digits. Empty: events are not signed.
	SecretFile string

	Queue    int           // events that wait; one more is lost. Default 64
	Timeout  time.Duration // of one try; default 10 s
	Deadline time.Duration // from an event's first try to its last; default 15 min

	// Report hears of events that are lost, with why, and of the first that is sent after that, with a nil error. Nil: nobody does.
	Report func(what string, err error)
}

const (
	defaultQueue    = 64
	defaultTimeout  = 10 * time.Second
	defaultDeadline = 15 * time.Minute

	// leastSecret is the shortest key, in bytes, that is worth signing with.
	leastSecret = 16
)

// Hook sends events to one address. Its methods may be called by many goroutines at once.
type Hook struct {
	url    *url.URL
	secret []byte
	cfg    Config
	client *http.Client
	failed bool // the last event was lost; of the goroutine

	ctx    context.Context // ends when nothing is to be tried any more
	cancel context.CancelCauseFunc
	done   chan struct{}

	mu     sync.Mutex
	queue  chan Event // closed by Close, under mu
	closed bool

	sent, lost atomic.Uint64
}

// New makes a Hook that posts to an http or https address. Whoever makes it closes it.
func New(address string, cfg Config) (*Hook, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("cannot use the address of the webhook: it is such as https://host/path") // it is not repeated: it may hold a secret
	}
	if cfg.Queue < 0 || cfg.Timeout < 0 || cfg.Deadline < 0 {
		return nil, errors.New("cannot use a webhook whose queue or times are negative")
	}
	if cfg.Queue == 0 {
		cfg.Queue = defaultQueue
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Deadline == 0 {
		cfg.Deadline = defaultDeadline
	}
	if cfg.Report == nil {
		cfg.Report = func(string, error) {}
	}
	h := &Hook{url: u, cfg: cfg, done: make(chan struct{}), queue: make(chan Event, cfg.Queue)}
	if cfg.SecretFile != "" {
		if h.secret, err = readSecret(cfg.SecretFile); err != nil {
			return nil, err
		}
	}
	h.client = newClient(cfg.Timeout)
	h.ctx, h.cancel = context.WithCancelCause(context.Background())
	go h.run()
	return h, nil
}

func readSecret(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the secret of the webhook: %w", err)
	}
	if b = bytes.TrimSpace(b); len(b) < leastSecret {
		return nil, fmt.Errorf("cannot use the secret of the webhook in %q: it has %d bytes, and needs %d at least; write one with openssl rand -hex 32", path, len(b), leastSecret)
	}
	return b, nil
}

// newClient follows redirects only where the same host takes the same body at another path.
func newClient(timeout time.Duration) *http.Client {
	return &http.Client{
		Transport: http.DefaultTransport.(*http.Transport).Clone(),
		Timeout:   timeout,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			first := via[0].URL
			if req.Method != http.MethodPost || req.URL.Host != first.Host || req.URL.Scheme != first.Scheme || len(via) > 3 {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

// Send sends an event, soon. It does not wait: an event for which there is no room, or that comes after Close, is lost.
func (h *Hook) Send(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		select {
		case h.queue <- e:
			return
		default:
		}
	}
	h.lost.Add(1)
}

// Counts are how many events the other end has taken, and how many it has not and will not.
func (h *Hook) Counts() (sent, lost uint64) { return h.sent.Load(), h.lost.Load() }

var errClosed = errors.New("the server ended before it could be sent")

// Close sends what waits, as long as ctx lives, and returns when nothing runs any more. What is not sent by then is lost.
func (h *Hook) Close(ctx context.Context) {
	h.mu.Lock()
	if !h.closed {
		h.closed = true
		close(h.queue)
	}
	h.mu.Unlock()
	select {
	case <-h.done:
	case <-ctx.Done():
		h.cancel(errClosed)
		<-h.done
	}
	h.cancel(errClosed)
	h.client.CloseIdleConnections()
}

func (h *Hook) run() {
	defer close(h.done)
	for e := range h.queue {
		err := h.deliver(&e)
		if err == nil {
			h.sent.Add(1)
			if h.failed {
				h.cfg.Report("the webhook takes events again", nil)
			}
			h.failed = false
			continue
		}
		h.lost.Add(1)
		h.failed = true
		h.cfg.Report(fmt.Sprintf("cannot tell %s of an event (%s of %s version %s); it is lost", h.url.Host, e.Kind, e.Model, e.Version), err)
	}
}

// Sign is the signature of a body, in hexadecimal digits. GitHub signs its webhooks in the same way.
func Sign(secret, body []byte) string {
	m := hmac.New(sha256.New, secret)
	m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}

// withoutURL takes the address, which may hold a secret, out of an error of net/http.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func newID() string { return strings.ToLower(rand.Text()) }
