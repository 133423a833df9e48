package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/torchlit/torchlit/client"
	"github.com/torchlit/torchlit/monitor/predlog"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// run is the command's output, in this process.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := rootCommand()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// TestLogCommand: what a server with --monitor has logged is counted, exported, deleted and packed.
func TestLogCommand(t *testing.T) {
	settings := defaultServeSettings()
	settings.Monitor, settings.MonitorDir = true, filepath.Join(t.TempDir(), "log")
	require.NoError(t, settings.validate())
	url, stop := observedServer(t, settings)
	c, err := client.New(url)
	require.NoError(t, err)
	for range 5 {
		classifyAt(t, url)
	}
	result, err := c.Classify(t.Context(), photo(t, 2, 2, 1), client.RequestID("mine"))
	require.NoError(t, err)
	v, err := c.Feedback(t.Context(), "m", client.Label{RequestID: result.RequestID, Name: "b"})
	require.NoError(t, err)
	require.Equal(t, "a", v.Predicted.Label)

	// While the server writes.
	out, err := run(t, "log", "--dir", settings.MonitorDir, "stats", "--check")
	require.NoError(t, err)
	require.Regexp(t, `m +1 +6 +1 +0\.0000 +1\.0000 `, out)
	out, err = run(t, "log", "--dir", settings.MonitorDir, "export")
	require.NoError(t, err)
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 7)
	last := map[string]string{}
	for i, name := range rows[0] {
		last[name] = rows[6][i]
	}
	assert.Equal(t, "mine", last["request_id"])
	assert.Equal(t, "a b 1", last["label"]+" "+last["true_label"]+" "+last["true_index"])
	assert.Equal(t, "2 2", last["width"]+" "+last["height"])
	assert.NotEmpty(t, last["brightness"])
	at, err := time.Parse(time.RFC3339Nano, last["time"])
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now(), at, time.Minute)

	file := filepath.Join(t.TempDir(), "answers.jsonl")
	_, err = run(t, "log", "--dir", settings.MonitorDir, "export", "--format", "jsonl", "--labelled", "--since", "1h", "--model", "m", "--version", "1", "-o", file)
	require.NoError(t, err)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var e exported
	require.NoError(t, json.Unmarshal(data, &e))
	assert.Equal(t, []float32{1, 0}, e.Probabilities)
	assert.Equal(t, "b", *e.TrueLabel)
	out, err = run(t, "log", "--dir", settings.MonitorDir, "export", "--until", "1h")
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(out, "\n"), "an answer of now is before an hour ago")

	n, err := c.DeletePrediction(t.Context(), "m", "mine") // by the server, on this machine
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, err = run(t, "log", "--dir", settings.MonitorDir, "delete", "mine")
	require.ErrorContains(t, err, "knows nothing")
	require.Equal(t, exitFailed, exitCode(err))
	id := rows[1][1]
	out, err = run(t, "log", "--dir", settings.MonitorDir, "delete", id) // beside the server
	require.NoError(t, err)
	require.Equal(t, id+": 1 deleted\n", out)
	stop()
	out, err = run(t, "log", "--dir", settings.MonitorDir, "vacuum")
	require.NoError(t, err, out)
	out, err = run(t, "log", "--dir", settings.MonitorDir, "stats", "--json")
	require.NoError(t, err)
	var stats struct{ Models []predlog.ModelSummary }
	require.NoError(t, json.Unmarshal([]byte(out), &stats))
	require.EqualValues(t, 4, stats.Models[0].Answers)
}

func TestLogCommandErrors(t *testing.T) {
	f := func(code int, says string, args ...string) {
		t.Helper()
		_, err := run(t, append([]string{"log", "--dir", filepath.Join(t.TempDir(), "none")}, args...)...)
		require.ErrorContains(t, err, says)
		require.Equal(t, code, exitCode(err))
	}
	f(1, "--monitor-dir", "stats")
	f(1, "--monitor-dir", "export")
	f(1, "--monitor-dir", "delete", "x")
	f(1, "--monitor-dir", "vacuum")
	f(2, "request id", "delete")
	f(2, "csv, jsonl or parquet", "export", "--format", "xml")
	f(2, "no time", "export", "--since", "yesterday")
	f(2, "unknown command", "pack")
}

func TestMonitorSettings(t *testing.T) {
	f := func(says string, set func(*serveSettings)) {
		t.Helper()
		s := defaultServeSettings()
		s.Monitor = true
		set(&s)
		require.ErrorContains(t, s.validate(), says)
	}
	f("--monitor-dir", func(s *serveSettings) { s.MonitorDir = "" })
	f("--monitor-sample", func(s *serveSettings) { s.MonitorSample = 0 })
	f("--monitor-pictures", func(s *serveSettings) { s.MonitorPictures = 2 })
	f("--monitor-max-age", func(s *serveSettings) { s.MonitorMaxAge = -1 })
	f("--monitor-max-bytes", func(s *serveSettings) { s.MonitorMaxBytes = 1000 })

	s := defaultServeSettings()
	l, err := openPredictionLog(s, zap.NewNop(), nil)
	require.NoError(t, err)
	require.Nil(t, l, "nothing is logged unless that is asked for")

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	s.Monitor, s.MonitorDir = true, file
	_, err = openObservers(t.Context(), s, zap.NewNop())
	require.ErrorContains(t, err, "--monitor-dir")
}

// TestLogMetrics: the metrics are those that docs/source/monitoring.md lists.
func TestLogMetrics(t *testing.T) {
	s := defaultServeSettings()
	s.Monitor, s.MonitorDir = true, t.TempDir()
	l, err := openPredictionLog(s, zap.NewNop(), nil)
	require.NoError(t, err)
	defer l.Close(t.Context())
	r := prometheus.NewRegistry()
	registerLogMetrics(r, l)
	registerLogMetrics(r, nil)
	families, err := r.Gather()
	require.NoError(t, err)
	page, err := os.ReadFile("../../docs/source/monitoring.md")
	require.NoError(t, err)
	require.Len(t, families, 7)
	for _, f := range families {
		assert.Contains(t, string(page), "`"+f.GetName())
		for _, m := range f.Metric {
			for _, label := range m.Label {
				assert.Contains(t, string(page), "`"+label.GetValue()+"`")
			}
		}
	}
}

// TestMonitorSurvivesKill: a server is killed right after it has acknowledged a label, and the next one has it. What SIGTERM ends loses nothing.
func TestMonitorSurvivesKill(t *testing.T) {
	torchtest.Need(t)
	dir := filepath.Join(t.TempDir(), "log")
	args := []string{"--models", writeModel(t, "resnet18", resnet.CIFARStem, 10, 32), "--monitor", "--monitor-dir", dir}
	labels := map[string]int{}
	const rounds, each = 3, 5
	for round := range rounds {
		s := serveModel(t, args...)
		c, err := client.New(s.url)
		require.NoError(t, err)
		for i := range each {
			result, err := c.Classify(t.Context(), photo(t, 64, 64, uint64(i)))
			require.NoError(t, err)
			_, err = c.Feedback(t.Context(), "random", client.Label{RequestID: result.RequestID, Index: i})
			require.NoError(t, err)
			labels[result.RequestID] = i
		}
		if round < rounds-1 {
			require.NoError(t, s.cmd.Process.Kill())
			s.cmd = nil
			<-s.done
			continue
		}
		for range 20 { // within the interval
			_, err := c.Classify(t.Context(), photo(t, 64, 64, 9))
			require.NoError(t, err)
		}
		resp, err := http.Get(s.url + "/metrics")
		require.NoError(t, err)
		_ = resp.Body.Close()
		require.GreaterOrEqual(t, metric(t, s.url, "torchlit_log_records_total"), float64(each))
		s.stop(t)
	}
	r, err := predlog.OpenReader(dir)
	require.NoError(t, err)
	defer r.Close()
	require.NoError(t, r.Check(t.Context()))
	answers := 0
	err = r.Each(t.Context(), predlog.Filter{}, false, func(s *predlog.Stored) error {
		answers++
		if want, ok := labels[s.RequestID]; ok {
			if s.TrueClass != want {
				return fmt.Errorf("%s: class %d; want %d", s.RequestID, s.TrueClass, want)
			}
			delete(labels, s.RequestID)
		}
		return nil
	})
	require.NoError(t, err)
	require.Empty(t, labels, "acknowledged labels are lost")
	require.Equal(t, rounds*each+20, answers)
}
