package main

import (
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestProfilesAreServed(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	stop, err := startProfiling("127.0.0.1:0", zap.New(core))
	require.NoError(t, err)
	addr := logs.All()[0].ContextMap()["addr"].(string)
	resp, err := http.Get("http://" + addr + "/debug/pprof/goroutine?debug=1")
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	require.NoError(t, err)
	assert.Contains(t, string(body), "TestProfilesAreServed")

	_, err = startProfiling(addr, zap.NewNop())
	assert.ErrorContains(t, err, "--pprof-addr")
	stop()
	_, err = net.Dial("tcp", addr)
	assert.Error(t, err)

	stop, err = startProfiling("", zap.NewNop())
	require.NoError(t, err)
	stop()
}
