package oip

import (
	"fmt"
	"net/http"
)

// Error is a request that cannot be answered, in words for its caller.
type Error struct {
	HTTP     int    // the status code
	Code     string // snake_case, for programs
	Sentence string // for people
}

func (e *Error) Error() string { return e.Sentence }

// bad makes the 400 of a request that is not as the protocol has it.
func bad(code, format string, args ...any) *Error {
	return &Error{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

// clip keeps a caller's own words short enough to be repeated to them.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
