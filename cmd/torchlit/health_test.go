package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
)

func TestHealth(t *testing.T) {
	torchtest.Need(t)
	s := serveModel(t)
	stdout, stderr, code := runCommand(t, "health", "--url", s.url)
	assert.Equal(t, 0, code, stderr)
	assert.Equal(t, "ready\n", stdout)
	t.Setenv("TORCHLIT_SERVER_ADDR", strings.TrimPrefix(s.url, "http://"))
	_, stderr, code = runCommand(t, "health")
	assert.Equal(t, 0, code, stderr)
	s.stop(t)
	_, stderr, code = runCommand(t, "health")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "no server answers")
}

func TestHealthOfWhatIsNotReady(t *testing.T) {
	f := func(status int, answer, says string) {
		t.Helper()
		s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			w.Write([]byte(answer))
		}))
		defer s.Close()
		_, stderr, code := runCommand(t, "health", "--url", s.URL)
		assert.Equal(t, 1, code)
		assert.Contains(t, stderr, says)
	}
	f(503, `{"error": "The server is still loading its model.", "code": "loading"}`, "not ready: The server is still loading its model.")
	f(200, "<html>", "is no torchlit serve")
}

// Where serve listens is where health asks.
func TestOwnAddress(t *testing.T) {
	f := func(want string, lines ...string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "c.yaml")
		require.NoError(t, os.WriteFile(file, []byte("server:\n  "+strings.Join(lines, "\n  ")+"\n"), 0o644))
		got, err := ownAddress(file)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	f("http://127.0.0.1:8080", "log_level: info")
	f("http://127.0.0.1:9000", `addr: ":9000"`)
	f("http://127.0.0.1:80", `addr: "0.0.0.0:80"`)
	f("https://127.0.0.1:443", `addr: "[::]:443"`, "tls_cert: a", "tls_key: b")
	f("https://127.0.0.1:443", `addr: ":443"`, "acme_domains: example.com")
	f("http://10.1.2.3:8000", `addr: "10.1.2.3:8000"`)
}
