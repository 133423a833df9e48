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
	plain   bool // the file may be one word, a key
	end     func()
}

// entry is a line with what is known of its key's use.
type entry struct {
	Line
	*use
}

// use is what is known of a key's use. It outlives a change of its line, unless that has another hash.
type use struct {
	bucket atomic.Pointer[rate.Limiter] // nil for no rate
	active atomic.Int64
}

// Open reads a key file and follows its changes until Close; changed is told of each, with what was wrong with it: then the keys are
// as before.
func Open(path string, changed func(error)) (*Keys, error) { return open(path, false, changed) }

// OpenPlain is Open, and takes a file of one word as a key in plain text, of at least 16 characters.
func OpenPlain(path string, changed func(error)) (*Keys, error) { return open(path, true, changed) }

func open(path string, plain bool, changed func(error)) (*Keys, error) {
	k, before := &Keys{path: path, plain: plain}, reload.Look(path)
	if err := k.read(); err != nil {
		return nil, err
	}
	k.end = before.Watch(reload.Every, reload.Told(k.read, changed))
	return k, nil
}

// One is a single key, which its owner has chosen. It is the entry without a name, of which the whole key is hashed.
func One(key string) *Keys {
	k := &Keys{end: func() {}}
	k.current.Store(&map[string]*entry{"": {Line{Hash: sha256.Sum256([]byte(key))}, new(use)}})
	return k
}

// Close ends the following of the file.
func (k *Keys) Close() { k.end() }

// Len is how many keys there are.
func (k *Keys) Len() int { return len(*k.current.Load()) }

const shortestPlain = 16

func (k *Keys) read() error {
	data, err := os.ReadFile(k.path)
	if err != nil {
		return fmt.Errorf("cannot read the keys: %w", err)
	}
	if words := bytes.Fields(data); k.plain && len(words) == 1 && !bytes.HasPrefix(words[0], []byte("#")) && !bytes.HasPrefix(words[0], []byte(hashPrefix)) {
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
		e := &entry{l, new(use)}
		if old := before[l.Name]; old != nil && old.Hash == l.Hash {
			e.use = old.use
		}
		e.limit()
		now[l.Name] = e
	}
	k.current.Store(&now)
}

// limit gives the rate of e's line to its use, without giving back what was spent.
func (e *entry) limit() {
	if e.Line.Rate == 0 {
		e.bucket.Store(nil)
		return
	}
	burst := e.Burst
	if burst == 0 {
		burst = max(1, int(math.Ceil(e.Line.Rate)))
	}
	if b := e.bucket.Load(); b != nil {
		b.SetLimit(rate.Limit(e.Line.Rate))
		b.SetBurst(burst)
		return
	}
	e.bucket.Store(rate.NewLimiter(rate.Limit(e.Line.Rate), burst))
}

// Grant is the leave to ask one request. Leave must follow, once.
type Grant struct{ entry *entry }

// Name is that of the key, "" for the single one.
func (g *Grant) Name() string { return g.entry.Name }

// Leave ends the request.
func (g *Grant) Leave() {
	g.entry.active.Add(-1)
}

// Rate is the state of the key's rate: how many requests it may have at once after a rest, how many it may ask now, and how long until that
// is as many as ever. ok is false when the key has no limit.
func (g *Grant) Rate(now time.Time) (limit, remaining int, reset time.Duration, ok bool) {
	b := g.entry.bucket.Load()
	if b == nil {
		return 0, 0, 0, false
	}
	tokens := max(0, b.TokensAt(now))
	full := time.Duration((float64(b.Burst()) - tokens) / float64(b.Limit()) * float64(time.Second))
	return b.Burst(), int(tokens), full, true
}

// nobody is who an unknown key is compared with.
var nobody = entry{use: new(use)}

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
	if n := e.active.Add(1); e.Concurrent > 0 && n > int64(e.Concurrent) {
		g.Leave()
		return nil, &RateError{g, time.Second, "concurrency"}
	}
	b := e.bucket.Load()
	if b == nil {
		return g, nil
	}
	now := time.Now()
	if !b.AllowN(now, 1) {
		g.Leave()
		after := time.Duration((1 - b.TokensAt(now)) / float64(b.Limit()) * float64(time.Second))
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
