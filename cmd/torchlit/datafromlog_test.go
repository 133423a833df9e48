package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/predlog"
	"github.com/torchlit/torchlit/vision"
)

// seen is an answer for a test's log: of picture number n, with so much confidence in the first class, and a true class or "".
type seen struct {
	n          uint64
	confidence float32
	truth      string
	model      string // m when empty
	labels     []string
	noPicture  bool
}

// logOf makes a prediction log. The request ids are r0, r1, …
func logOf(t *testing.T, answers ...seen) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "log")
	l, err := predlog.Open(predlog.Config{Dir: dir, Pictures: 1, Report: func(what string, err error) { t.Errorf("%s: %v", what, err) }})
	require.NoError(t, err)
	for i, s := range answers {
		if s.model == "" {
			s.model = "m"
		}
		if s.labels == nil {
			s.labels = []string{"cat", "dog"}
		}
		a := &monitor.Answer{
			Time: time.Now(), RequestID: fmt.Sprint("r", i), Model: s.model, Version: "1", Labels: s.labels,
			Probabilities: []float32{s.confidence, 1 - s.confidence}, Image: monitor.NoImage(), OOD: float32(math.NaN()),
		}
		if !s.noPicture {
			img, err := vision.Decode(photo(t, 32, 32, s.n), vision.Limits{})
			require.NoError(t, err)
			a.Picture = &monitor.Picture{Width: 32, Height: 32, Pixels: img.Pix}
		}
		l.Record(a)
		if s.truth != "" {
			v, err := l.Feedback(t.Context(), s.model, []monitor.Label{{RequestID: a.RequestID, Name: s.truth}})
			require.NoError(t, err)
			require.NoError(t, v[0].Err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushPredictions)
	defer cancel()
	require.NoError(t, l.Close(ctx))
	return dir
}

func readCSV(t *testing.T, file string) []map[string]string {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	all, err := csv.NewReader(strings.NewReader(string(data))).ReadAll()
	require.NoError(t, err)
	var rows []map[string]string
	for _, fields := range all[1:] {
		row := map[string]string{}
		for i, name := range all[0] {
			row[name] = fields[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func column(rows []map[string]string, name string) (out []string) {
	for _, r := range rows {
		out = append(out, r[name])
	}
	return out
}

func TestDataFromLog(t *testing.T) {
	dir := logOf(t,
		seen{n: 1, confidence: 0.9, truth: "cat"},
		seen{n: 2, confidence: 0.6, truth: "dog"}, // the least sure
		seen{n: 3, confidence: 0.8, truth: "dog"},
		seen{n: 2, confidence: 0.7, truth: "dog"},                  // a duplicate
		seen{n: 4, confidence: 0.7, truth: "cat"},                  // of one picture two classes
		seen{n: 4, confidence: 0.7, truth: "dog"},                  //
		seen{n: 5, confidence: 0.6},                                // not labelled
		seen{n: 6, confidence: 0.6, truth: "cat", noPicture: true}, //
		seen{n: 7, confidence: 0.95},
	)
	out := filepath.Join(t.TempDir(), "new", "retrain")
	said, err := run(t, "data", "from-log", "--dir", dir, "-o", out)
	require.NoError(t, err)
	assert.Equal(t, "3 pictures in "+out+": cat 1, dog 2\n"+
		"left out: 1 that look like another one (--duplicates)\nleft out: 2 that look alike and have different true classes\n", said)
	rows := readCSV(t, filepath.Join(out, "manifest.csv"))
	assert.Equal(t, []string{"r1", "r2", "r0"}, column(rows, "request_id"))
	assert.Equal(t, []string{"dog", "dog", "cat"}, column(rows, "label"))
	assert.Equal(t, []string{"cat", "cat", "cat"}, column(rows, "predicted"))
	assert.Equal(t, "m 1 0.6", rows[0]["model"]+" "+rows[0]["version"]+" "+rows[0]["confidence"])
	assert.Equal(t, " 2.5", knownDecimal(math.NaN())+" "+knownDecimal(2.5))
	set, err := dataset.Open(out, dataset.Options{})
	require.NoError(t, err)
	assert.Equal(t, []string{"cat", "dog"}, set.Classes)
	assert.Equal(t, []int{1, 2}, set.Counts())
	img, err := vision.Decode(photo(t, 32, 32, 2), vision.Limits{})
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(out, rows[0]["file"]))
	require.NoError(t, err)
	kept, err := vision.Decode(data, vision.Limits{})
	require.NoError(t, err)
	assert.Equal(t, img.Pix, kept.Pix, "the file of the first row is not its picture")
	info, err := os.Stat(out)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	// Of each class one; and duplicates on demand.
	few := filepath.Join(t.TempDir(), "few")
	said, err = run(t, "data", "from-log", "--dir", dir, "-o", few, "--max", "2")
	require.NoError(t, err)
	assert.Contains(t, said, "cat 1, dog 1\n")
	assert.Contains(t, said, "left out: 1 that are beyond --max")
	all := filepath.Join(t.TempDir(), "all")
	said, err = run(t, "data", "from-log", "--dir", dir, "-o", all, "--duplicates", "-1")
	require.NoError(t, err)
	assert.Equal(t, "6 pictures in "+all+": cat 2, dog 4\n", said)

	// The others, to be labelled.
	label := filepath.Join(t.TempDir(), "label")
	said, err = run(t, "data", "from-log", "--dir", dir, "-o", label, "--unlabelled")
	require.NoError(t, err)
	assert.Equal(t, "2 pictures in "+label+": cat 2 (as answered)\n", said)
	rows = readCSV(t, filepath.Join(label, "labels.csv"))
	assert.Equal(t, []string{"r6", "r8"}, column(rows, "request_id"))
	assert.Equal(t, []string{"", ""}, column(rows, "label"))
	assert.Equal(t, []string{"cat 0.6", "cat 0.95"}, []string{rows[0]["predicted"] + " " + rows[0]["probability"], rows[1]["predicted"] + " " + rows[1]["probability"]})
	_, err = os.Stat(filepath.Join(label, rows[0]["file"]))
	require.NoError(t, err)

	_, err = run(t, "data", "from-log", "--dir", dir, "-o", out)
	require.ErrorContains(t, err, "it holds something")
}

func TestDataFromLogErrors(t *testing.T) {
	f := func(code int, says, dir string, args ...string) {
		t.Helper()
		out := filepath.Join(t.TempDir(), "out")
		_, err := run(t, append([]string{"data", "from-log", "--dir", dir, "-o", out}, args...)...)
		require.ErrorContains(t, err, says)
		assert.Equal(t, code, exitCode(err))
		_, err = os.Stat(out)
		assert.ErrorIs(t, err, os.ErrNotExist)
	}
	f(1, "--monitor-dir", filepath.Join(t.TempDir(), "none"))
	blind := logOf(t, seen{n: 1, confidence: 0.9, truth: "cat", noPicture: true})
	f(1, "serve with --monitor-pictures 1", blind)
	f(1, "no answers of this model", blind, "--model", "other")
	silent := logOf(t, seen{n: 1, confidence: 0.9})
	f(1, "send feedback, and see --unlabelled", silent)
	f(1, "see --since and --until", silent, "--unlabelled", "--until", "48h")
	f(1, `the answers of "a" and "b"; name one of them with --model`, logOf(t,
		seen{n: 1, confidence: 0.9, truth: "cat", model: "a"}, seen{n: 2, confidence: 0.9, truth: "cat", model: "b"}))
	f(1, `class "cat" of version 1`, logOf(t,
		seen{n: 1, confidence: 0.9, truth: "cat"}, seen{n: 2, confidence: 0.9, truth: "dog", labels: []string{"dog", "emu"}}))
	f(1, "folders cannot have this name", logOf(t, seen{n: 1, confidence: 0.9, truth: "a/b", labels: []string{"a/b", "dog"}}))
	f(1, "correct the feedback", logOf(t, seen{n: 1, confidence: 0.9, truth: "cat"}, seen{n: 1, confidence: 0.9, truth: "dog"}))
	f(2, "--max=-1", silent, "--max", "-1")
	f(2, "--duplicates=40", silent, "--duplicates", "40")
	f(2, "is no time", silent, "--since", "yesterday")
	_, err := run(t, "data", "from-log")
	require.ErrorContains(t, err, "--output is missing")
}
