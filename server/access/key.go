// Package access says who may ask: API keys and their limits.
//
// A key is tl_<name>_<secret>. The name is no secret: it finds the entry, and is what logs and metrics may say of the caller. The
// secret is 32 random bytes, of which a file holds the SHA-256 alone. Passwords want a slow hash with a salt, because people choose
// them from few; of 2^256 nobody tries a share that counts, so a fast hash gives nothing away and costs a request half a microsecond.
// Hashes are compared in constant time, against one of nobody where the name is unknown.
package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Limits of a key. Zero is none.
type Limits struct {
	Rate       float64 // requests a second
	Burst      int     // requests at once after a rest; 0 is a second's
	Concurrent int     // requests under way
}

// Line is an entry of a key file.
type Line struct {
	Name    string
	Hash    [sha256.Size]byte // of the secret
	Expires time.Time         // zero for never
	Limits
}

const (
	prefix      = "tl_"
	secretBytes = 32
	longestName = 64
	hashPrefix  = "sha256:"
)

// NewKey makes a key of that name. Nobody can make it again: the line has only its hash.
func NewKey(name string) (key string, line Line, err error) {
	if err := checkName(name); err != nil {
		return "", Line{}, fmt.Errorf("cannot use %q as a key's name, %w", name, err)
	}
	secret := make([]byte, secretBytes)
	_, _ = rand.Read(secret) // never fails
	text := base64.RawURLEncoding.EncodeToString(secret)
	return prefix + name + "_" + text, Line{Name: name, Hash: sha256.Sum256([]byte(text))}, nil
}

// checkName wants what can stand in a key, a log and a label of a metric. An underscore ends the name of a key.
func checkName(name string) error {
	if name == "" || len(name) > longestName {
		return fmt.Errorf("which must have 1 to %d characters", longestName)
	}
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.') {
			return errors.New("which may have letters, digits, dots and dashes")
		}
	}
	return nil
}

// split takes a key apart.
func split(key string) (name, secret string, ok bool) {
	rest, ok := strings.CutPrefix(key, prefix)
	if !ok {
		return "", "", false
	}
	name, secret, ok = strings.Cut(rest, "_")
	return name, secret, ok && len(secret) == base64.RawURLEncoding.EncodedLen(secretBytes)
}

// String is the line as ParseFile reads it.
func (l Line) String() string {
	var b strings.Builder
	b.WriteString(l.Name + " " + hashPrefix + hex.EncodeToString(l.Hash[:]))
	if l.Rate > 0 {
		b.WriteString(" rate=" + strconv.FormatFloat(l.Rate, 'g', -1, 64))
	}
	if l.Burst > 0 {
		b.WriteString(" burst=" + strconv.Itoa(l.Burst))
	}
	if l.Concurrent > 0 {
		b.WriteString(" concurrent=" + strconv.Itoa(l.Concurrent))
	}
	if !l.Expires.IsZero() {
		b.WriteString(" expires=" + l.Expires.UTC().Format(time.RFC3339))
	}
	return b.String()
}

// ParseFile reads a key file: a line for each key, "name sha256:<hex>" and options rate=, burst=, concurrent= and expires= (a date or RFC
// 3339); # begins a comment. Errors name the line and quote nothing of it: it may be a key, put there by mistake.
func ParseFile(data []byte) ([]Line, error) {
	var lines []Line
	seen := map[string]bool{}
	n := 0
	for text := range strings.Lines(string(data)) {
		n++
		text, _, _ = strings.Cut(text, "#")
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		l, err := parseLine(fields)
		if err == nil && seen[l.Name] {
			err = errors.New("there is a key of this name already")
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		seen[l.Name] = true
		lines = append(lines, l)
	}
	return lines, nil
}

func parseLine(fields []string) (Line, error) {
	l := Line{Name: fields[0]}
	if err := checkName(l.Name); err != nil {
		return l, fmt.Errorf("its first word is no name, %w; 'torchlit key' makes a line", err)
	}
	if len(fields) < 2 || !strings.HasPrefix(fields[1], hashPrefix) {
		return l, errors.New("after the name comes sha256: and a hash; 'torchlit key' makes a line")
	}
	hash, err := hex.DecodeString(fields[1][len(hashPrefix):])
	if err != nil || len(hash) != len(l.Hash) {
		return l, errors.New("the hash must be 64 hexadecimal digits; 'torchlit key' makes a line")
	}
	copy(l.Hash[:], hash)
	for _, f := range fields[2:] {
		if err := l.set(f); err != nil {
			return l, err
		}
	}
	return l, nil
}

// set sets an option.
func (l *Line) set(option string) (err error) {
	name, value, _ := strings.Cut(option, "=")
	switch name {
	case "rate":
		if l.Rate, err = strconv.ParseFloat(value, 64); err != nil || !(l.Rate > 0 && l.Rate <= 1e9) {
			return errors.New("rate must be a number of requests a second above 0")
		}
	case "burst", "concurrent":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return errors.New(name + " must be a number of requests from 1 on")
		}
		if name == "burst" {
			l.Burst = n
		} else {
			l.Concurrent = n
		}
	case "expires":
		if l.Expires, err = time.Parse(time.RFC3339, value); err != nil {
			l.Expires, err = time.Parse(time.DateOnly, value)
		}
		if err != nil {
			return errors.New("expires must be a date such as 2027-01-31")
		}
	default:
		return errors.New("unknown option; known are rate=, burst=, concurrent= and expires=")
	}
	return nil
}
