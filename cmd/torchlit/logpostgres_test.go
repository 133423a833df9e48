package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/torchlit/torchlit/client"
	"github.com/torchlit/torchlit/internal/pgserver"
	"github.com/torchlit/torchlit/monitor/predlog"
)

// TestLogInPostgres: two servers keep one log; whoever gets a label, it finds the answer of the other. What they say and write has no password.
func TestLogInPostgres(t *testing.T) {
	t.Setenv(dsnVariable, pgserver.New(t).Database(t))
	settings := defaultServeSettings()
	settings.Monitor, settings.MonitorDSN = true, os.Getenv(dsnVariable)
	require.NoError(t, settings.validate())
	var said bytes.Buffer
	logger := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "msg"}), zapcore.AddSync(&said), zap.DebugLevel))
	l, err := openPredictionLog(settings, logger, nil)
	require.NoError(t, err)
	require.NoError(t, l.Close(t.Context()))
	assert.Contains(t, said.String(), `"in":"postgres://torchlit@/`)
	assert.NotContains(t, said.String(), pgserver.Secret)

	one, stopOne := observedServer(t, settings)
	two, stopTwo := observedServer(t, settings)
	a, err := client.New(one)
	require.NoError(t, err)
	b, err := client.New(two)
	require.NoError(t, err)
	for _, id := range []string{"x", "y", "z"} {
		_, err := a.Classify(t.Context(), photo(t, 2, 2, 1), client.RequestID(id))
		require.NoError(t, err)
	}
	_, err = a.Feedback(t.Context(), "m", client.Label{RequestID: "x", Name: "a"}) // with which the others are written
	require.NoError(t, err)
	v, err := b.Feedback(t.Context(), "m", client.Label{RequestID: "y", Name: "b"})
	require.NoError(t, err)
	require.False(t, v.Correct)
	resp, err := http.Get(two + "/v1/stats")
	require.NoError(t, err)
	stats, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.NotContains(t, string(stats), pgserver.Secret)
	stopOne()
	stopTwo()

	out, err := run(t, "log", "stats", "--check") // by the variable
	require.NoError(t, err)
	assert.Regexp(t, `(?s)^postgres://torchlit@/.*m +1 +3 +2 +0\.5000 `, out)
	out, err = run(t, "log", "--dsn", settings.MonitorDSN, "export", "--labelled")
	require.NoError(t, err)
	assert.Equal(t, 3, strings.Count(out, "\n"))
	out, err = run(t, "log", "--dsn", settings.MonitorDSN, "delete", "x")
	require.NoError(t, err)
	assert.Equal(t, "x: 1 deleted\n", out)
	out, err = run(t, "log", "vacuum")
	require.NoError(t, err)
	assert.NotContains(t, out, pgserver.Secret)
	out, err = run(t, "log", "stats", "--json")
	require.NoError(t, err)
	var summary struct{ Models []predlog.ModelSummary }
	require.NoError(t, json.Unmarshal([]byte(out), &summary))
	assert.EqualValues(t, 2, summary.Models[0].Answers)

	_, err = run(t, "log", "stats", "--dir", filepath.Join(t.TempDir(), "none")) // --dir is said, and counts
	require.ErrorContains(t, err, "--monitor-dir")
	_, err = run(t, "log", "stats", "--dir", "x", "--dsn", "y")
	require.ErrorContains(t, err, "--dir or --dsn")
	for _, command := range [][]string{{"stats"}, {"export"}, {"delete", "x"}, {"vacuum"}} {
		_, err = run(t, append([]string{"log", "--dsn", "postgres://u:" + pgserver.Secret + "@127.0.0.1:1/x"}, command...)...)
		require.ErrorContains(t, err, "--monitor-dsn")
		assert.NotContains(t, err.Error(), pgserver.Secret)
	}
	settings.MonitorDSN = "postgres://u:" + pgserver.Secret + "@127.0.0.1:1/x"
	_, err = openPredictionLog(settings, logger, nil)
	require.ErrorContains(t, err, "--monitor-dsn")
	assert.NotContains(t, err.Error(), pgserver.Secret)
	settings.Monitor = false
	require.ErrorContains(t, settings.validate(), "add it")
}
