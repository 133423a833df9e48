package hub

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
)

// The reasons for which a file is not to be had. The errors that wrap them say which
// repository, and what to do.
var (
	ErrNoRepo     = errors.New("the hub has no such repository, or it is private")
	ErrNoRevision = errors.New("the repository has no such revision")
	ErrNoFile     = errors.New("the repository has no file")
	ErrGated      = errors.New("the repository is gated")
	ErrDenied     = errors.New("the hub does not accept the token")
	ErrOffline    = errors.New("HF_HUB_OFFLINE is set")
	// ErrWrongContent is a file that arrived whole and has not the hash that the hub gave.
	ErrWrongContent = errors.New("the file that arrived is not the one that the hub announced")
)

// missingFile is ErrNoFile of a revision that exists.
type missingFile struct{ error }

func (m missingFile) Unwrap() error { return m.error }

// statusError is an answer that may be another one at another time.
type statusError struct{ status string }

func (e statusError) Error() string { return "the hub answers " + e.status }

// fallsBack is whether the cache may stand in for an answer that did not come.
func fallsBack(err error) bool {
	return !errors.Is(err, ErrNoRevision) && !errors.Is(err, ErrNoFile)
}

// refusal turns an answer other than 200 into an error. The hub says why in a header,
// https://huggingface.co/docs/huggingface_hub, hf_raise_for_status; it answers 401 about a
// repository that does not exist to those who have no token.
func (c *Client) refusal(resp *http.Response, ref Ref) error {
	page := c.endpoint() + "/" + ref.Repo
	code, message := resp.Header.Get("X-Error-Code"), resp.Header.Get("X-Error-Message")
	switch {
	case code == "RevisionNotFound":
		return fmt.Errorf("%w as %q; its branches and tags are at %s/tree/main", ErrNoRevision, ref.revision(), page)
	case code == "EntryNotFound":
		return missingFile{fmt.Errorf("%w named so; its files are at %s/tree/%s", ErrNoFile, page, ref.revision())}
	case code == "GatedRepo":
		if c.Token == "" {
			return fmt.Errorf("%w: accept its conditions at %s, and set HF_TOKEN to a token of yours", ErrGated, page)
		}
		return fmt.Errorf("%w: accept its conditions at %s with the account of your token", ErrGated, page)
	case message == "Invalid credentials in Authorization header":
		return fmt.Errorf("%w: set HF_TOKEN to one that is valid, or unset it for public repositories", ErrDenied)
	case code == "RepoNotFound", resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusNotFound:
		if c.Token == "" {
			return fmt.Errorf("%w: check the name at %s, or set HF_TOKEN to a token that may read it", ErrNoRepo, page)
		}
		return fmt.Errorf("%w from this token: check the name at %s", ErrNoRepo, page)
	case resp.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w for this repository (%s): check its rights", ErrDenied, printable(or(message, resp.Status)))
	}
	return statusError{printable(or(message, resp.Status))}
}

// printable replaces what a terminal would take for more than text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
