//go:build soak

package soak

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSoakServer drives a million requests, or as many as fit into TORCHLIT_SOAK_DURATION, at two servers: one as it is started without
// settings, and one with a cache, shared runs, a prediction log and an access log. The cache holds a part of the answers only,
// so that they come and go. In little time the second gets less of it, and is too short for slopes.
func TestSoakServer(t *testing.T) {
	duration, err := time.ParseDuration(or(os.Getenv("TORCHLIT_SOAK_DURATION"), "0s"))
	require.NoError(t, err)
	requests := number(t, "TORCHLIT_SOAK_REQUESTS", 1_000_000)
	if duration > 0 {
		requests = 0
	}
	least := time.Duration(0)
	if duration == 0 && requests >= 1_000_000 {
		least = (warmupLeast + 2*slopeLeast) * time.Second
	}
	f := func(name string, percent int64, args []string) {
		t.Run(name, func(t *testing.T) {
			dir := ""
			if top := os.Getenv("TORCHLIT_SOAK_DIR"); top != "" {
				dir = filepath.Join(top, name)
			}
			soak(t, plan{title: "Soak of a server: " + name, requests: requests * percent / 100, duration: duration * time.Duration(percent) / 100, least: least,
				seed: uint64(number(t, "TORCHLIT_SOAK_SEED", 1)), clients: int(number(t, "TORCHLIT_SOAK_CLIENTS", 8)), dir: dir, args: args})
		})
	}
	plain := int64(60)
	if duration > 0 && duration < 30*time.Minute {
		plain = 85
	}
	f("plain", plain, nil)
	f("everything", 100-plain, everything(t))
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
