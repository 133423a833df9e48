package server

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
)

// maxRequestID bounds a caller's X-Request-Id.
const maxRequestID = 128

// saneRequestID reports whether a caller's id may go into logs, headers and JSON as it is.
func saneRequestID(id []byte) bool {
	if len(id) == 0 || len(id) > maxRequestID {
		return false
	}
	for _, c := range id {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '-', c == '_', c == '.', c == ':', c == '/', c == '+', c == '=', c == '@', c == '~':
		default:
			return false
		}
	}
	return true
}

// newRequestID returns 32 hexadecimal digits. They need to be unique, not secret.
func newRequestID() string {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(b[8:], rand.Uint64())
	var out [32]byte
	hex.Encode(out[:], b[:])
	return string(out[:])
}
