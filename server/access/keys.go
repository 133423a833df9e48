package access

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/torchlit/torchlit/internal/reload"
)

// Why a caller may not ask. RateError is the third kind.
var (
	ErrNoKey    = errors.New("there is no key")
	ErrWrongKey = errors.New("the key is unknown, or has expired")
)

// RateError says that a key has asked as much as it may for now.
type RateError struct {
	Grant *Grant // for its state
	After time.Duration
	What  string // "rate" or "concurrency"
}

func (e *RateError) Error() string { return "the key is over its " + e.What + " limit" }

// Keys are the keys of a file, or a single one. Its methods may be called from any goroutine, and Enter costs no lock but the rate's.
type Keys struct {
	current atomic.Pointer[map[string]*entry]
	path    string
	end     func()
	failed  atomic.Int64 // changes of the file that could not be read
}

// entry is a key with what is known of its use. It outlives a change of the file that leaves its limits as they are.
type entry struct {
	Line
	bucket *rate.Limiter
	active atomic.Int64
}

// Open reads a key file and follows its changes until Close; changed is told of each, with what was wrong with it: then the keys are
// as before. A file of one word is one key in plain text, of at least 16 characters.
func Open(path string, changed func(error)) (*Keys, error) {
	k := &Keys{path: path}
	if err := k.read(); err != nil {
		return nil, err
	}
	k.end = reload.Watch([]string{path}, reload.Every, func() {
		err := k.read()
		if err != nil {
			k.failed.Add(1)
		}
		changed(err)
	})
	return k, nil
}

// One is a single key, which its owner has chosen. It is the entry without a name, of which the whole key is hashed.
func One(key string) *Keys {
	k := &Keys{end: func() {}}
	k.current.Store(&map[string]*entry{"": {Line: Line{Hash: sha256.Sum256([]byte(key))}}})
	return k
}

// Close ends the following of the file.
func (k *Keys) Close() { k.end() }

// Failed is how many changes of the file could not be read.
func (k *Keys) Failed() int64 { return k.failed.Load() }

// Len is how many keys there are.
func (k *Keys) Len() int { return len(*k.current.Load()) }

const shortestPlain = 16

func (k *Keys) read() error {
	data, err := os.ReadFile(k.path)
	if err != nil {
		return fmt.Errorf("cannot read the keys: %w", err)
	}
	if words := bytes.Fields(data); len(words) == 1 && !bytes.HasPrefix(words[0], []byte("#")) {
		if len(words[0]) < shortestPlain {
			return fmt.Errorf("cannot use the key in %q: it must be one word of at least %d characters; make one with 'torchlit key' or openssl rand -hex 24", k.path, shortestPlain)
		}
		k.current.Store(One(string(words[0])).current.Load())
		return nil
	}
	lines, err := ParseFile(data)
	if err == nil && len(lines) == 0 {
		err = errors.New("it has no key; 'torchlit key' makes a line")
	}
	if err != nil {
		return fmt.Errorf("cannot use the key file %q: %w", k.path, err)
	}
	k.put(lines)
	return nil
}

// put makes lines the keys.
func (k *Keys) put(lines []Line) {
	var before map[string]*entry
	if p := k.current.Load(); p != nil {
		before = *p
	}
	now := make(map[string]*entry, len(lines))
	for _, l := range lines {
		e := &entry{Line: l}
		if old := before[l.Name]; old != nil && old.Line == l {
			e = old
		} else if l.Rate > 0 {
			burst := l.Burst
			if burst == 0 {
				burst = max(1, int(math.Ceil(l.Rate)))
			}
			e.bucket = rate.NewLimiter(rate.Limit(l.Rate), burst)
		}
		now[l.Name] = e
	}
	k.current.Store(&now)
}

// Grant is the leave to ask one request. Leave must follow, once.
type Grant struct{ entry *entry }

// Name is that of the key, "" for the single one.
func (g *Grant) Name() string { return g.entry.Name }

// Leave ends the request.
func (g *Grant) Leave() {
	if g.entry.Concurrent > 0 {
		g.entry.active.Add(-1)
	}
}

// Rate is the state of the key's rate: how many requests it may have at once after a rest, how many it may ask now, and how long until that
// is as many as ever. ok is false when the key has no limit.
func (g *Grant) Rate(now time.Time) (limit, remaining int, reset time.Duration, ok bool) {
	b := g.entry.bucket
	if b == nil {
		return 0, 0, 0, false
	}
	tokens := max(0, b.TokensAt(now))
	full := time.Duration((float64(b.Burst()) - tokens) / float64(b.Limit()) * float64(time.Second))
	return b.Burst(), int(tokens), full, true
}

// nobody is who an unknown key is compared with.
var nobody entry

// find returns the entry that a key claims to be, and what of the key is hashed.
func (k *Keys) find(key string) (e *entry, secret string) {
	keys := *k.current.Load()
	if e := keys[""]; e != nil {
		return e, key
	}
	name, secret, ok := split(key)
	if e := keys[name]; ok && e != nil {
		return e, secret
	}
	return &nobody, key
}

// Check finds out whose key it is.
func (k *Keys) Check(key string) (*Grant, error) {
	if key == "" {
		return nil, ErrNoKey
	}
	e, secret := k.find(key)
	hash := sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(hash[:], e.Hash[:]) != 1 || e == &nobody {
		return nil, ErrWrongKey
	}
	if !e.Expires.IsZero() && !time.Now().Before(e.Expires) {
		return nil, ErrWrongKey
	}
	return &Grant{e}, nil
}

// Enter is Check, and counts a request of the key against its limits.
func (k *Keys) Enter(key string) (*Grant, error) {
	g, err := k.Check(key)
	if err != nil {
		return nil, err
	}
	e := g.entry
	if e.Concurrent > 0 && e.active.Add(1) > int64(e.Concurrent) {
		e.active.Add(-1)
		return nil, &RateError{g, time.Second, "concurrency"}
	}
	if e.bucket == nil {
		return g, nil
	}
	now := time.Now()
	if !e.bucket.AllowN(now, 1) {
		g.Leave()
		after := time.Duration((1 - e.bucket.TokensAt(now)) / float64(e.bucket.Limit()) * float64(time.Second))
		return nil, &RateError{g, max(after, time.Millisecond), "rate"}
	}
	return g, nil
}

// Bearer takes the key out of an Authorization header; scheme and key may have any space between them.
func Bearer(authorization string) string {
	scheme, key, ok := strings.Cut(strings.TrimSpace(authorization), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(key)
}
