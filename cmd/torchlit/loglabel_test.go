package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/client"
	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/predlog"
)

// TestLogLabel: labels of a file reach the log, in requests of a thousand, and what does not is told.
func TestLogLabel(t *testing.T) {
	settings := defaultServeSettings()
	settings.Monitor, settings.MonitorDir = true, filepath.Join(t.TempDir(), "log")
	url, stop := observedServer(t, settings)
	defer stop()
	c, err := client.New(url)
	require.NoError(t, err)
	for n := range 5 {
		_, err := c.Classify(t.Context(), photo(t, 2, 2, 1), client.RequestID(fmt.Sprint("id", n)))
		require.NoError(t, err)
	}
	write := func(text string) string {
		t.Helper()
		file := filepath.Join(t.TempDir(), "labels")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	var all strings.Builder
	all.WriteString("request_id,label\n")
	for n := range 2500 {
		fmt.Fprintf(&all, "id%d,%s\n", n, []string{"a", "b"}[n%2])
	}
	out, err := run(t, "log", "label", "--url", url, write(all.String()))
	require.NoError(t, err)
	assert.Contains(t, out, "5 of 2500 labels are stored; 3 of the answers were right\n")
	assert.Regexp(t, `unknown_request +2495 +7, "id5": `, out)

	f := func(code int, says string, args ...string) string {
		t.Helper()
		out, err := run(t, append([]string{"log", "label", "--url", url}, args...)...)
		if code == 0 {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, says)
			require.Equal(t, code, exitCode(err))
		}
		return out
	}
	assert.Contains(t, f(0, "", "--model", "m", write("\n {\"request_id\": \"id0\", \"label\": 1}\n")), "1 of 1 labels are stored; 0 of")
	assert.Contains(t, f(1, "refused as unknown_label", write("request_id,label\nid0,zebra\nid1,a\n")), "1 of 2 labels")
	f(1, "--model", write("request_id,label\nnobody,a\n"))
	f(1, "--model", "--model", "another", write("request_id,label\nid0,a\n"))
	f(1, "no labels", write("request_id,label\n"))
	f(1, "columns", write(""))
	f(1, "of the labels before 1 are stored", write("request_id,label\nid0,a\n"+strings.Repeat("none,a\n", 999)+"\"\n"))
	f(1, "no such file", filepath.Join(t.TempDir(), "none"))
	f(1, "--api-key-file", "--api-key-file", filepath.Join(t.TempDir(), "none"), write(all.String()))
	f(2, "FILE")
	_, err = run(t, "log", "label", "--url", "nowhere", write("request_id,label\n"))
	require.Equal(t, exitUsage, exitCode(err))
	_, err = run(t, "log", "label", "--url", "http://127.0.0.1:1", "--model", "m", write("request_id,label\na,b\n"))
	require.Equal(t, exitFailed, exitCode(err))
}

// TestLogCompare: two versions are compared on the images that both answered.
func TestLogCompare(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	l, err := predlog.Open(predlog.Config{Dir: dir})
	require.NoError(t, err)
	var labels []monitor.Label
	for n := range 100 {
		id := fmt.Sprint("id", n)
		say := func(version string, shadow bool, class int) {
			a := monitor.Answer{Time: time.Now(), RequestID: id, Model: "m", Version: version, Labels: []string{"a", "b"}, Probabilities: make([]float32, 2), Shadow: shadow, Image: monitor.NoImage()}
			a.Probabilities[class] = 1
			l.Record(&a)
		}
		one, two := 0, 0
		if n < 10 { // only the shadow is right
			one = 1
		}
		if n >= 10 && n < 12 {
			two = 1
		}
		say("1", false, one)
		say("2", true, two)
		if n < 60 {
			labels = append(labels, monitor.Label{RequestID: id, Name: "a"})
		}
	}
	_, err = l.Feedback(t.Context(), "m", labels)
	require.NoError(t, err)
	require.NoError(t, l.Close(t.Context()))

	out, err := run(t, "log", "--dir", dir, "compare", "1", "2", "--model", "m", "--since", "1h")
	require.NoError(t, err)
	for _, line := range []string{`images that both answered +100`, `same class +88 +88\.00 %`, `true class known +60 +60\.00 %`, `both right +48 `, `only 1 right +2 `,
		`only 2 right +10 `, `neither +0 `, `accuracy of 1 +0\.8333`, `accuracy of 2 +0\.9667`, `McNemar's test +p = 0\.0386`} {
		assert.Regexp(t, line, out)
	}
	out, err = run(t, "log", "--dir", dir, "compare", "2", "1", "--model", "m", "--json")
	require.NoError(t, err)
	var c struct {
		predlog.Comparison
		P *float64
	}
	require.NoError(t, json.Unmarshal([]byte(out), &c))
	assert.EqualValues(t, 10, c.OnlyOne)
	assert.InDelta(t, 158.0/4096, *c.P, 1e-9) // twice the binomial tail of 2 of 12

	f := func(code int, says string, args ...string) {
		t.Helper()
		_, err := run(t, append([]string{"log", "--dir", dir, "compare"}, args...)...)
		require.ErrorContains(t, err, says)
		require.Equal(t, code, exitCode(err))
	}
	f(2, "--model", "1", "2")
	f(2, "two versions", "1", "1", "--model", "m")
	f(2, "VERSION and OTHER", "1", "--model", "m")
	f(2, "no time", "1", "2", "--model", "m", "--since", "then")
	f(1, "no image", "1", "3", "--model", "m")
}
