package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ask runs the program, from the root of the repository, as its users do.
func ask(t *testing.T, args ...string) (string, error) {
	t.Helper()
	t.Chdir("../../..")
	var out bytes.Buffer
	err := start(args, &out)
	return out.String(), err
}

func TestAnswer(t *testing.T) {
	got, err := ask(t, "--rate", "500", "--p99", "100ms", "--price", "0.2")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"173 images/s at most", "5 for 500 images/s, 1 of them to spare", "2.78 node-hours", "0.56 at 0.2 an hour"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

// Each scenario is played on nodes of the asker's own costs.
func TestPlay(t *testing.T) {
	costs := filepath.Join(t.TempDir(), "mine.json")
	const json = `{"batch": 1, "runners": 2, "latency_ms": {"p50": 100}} {"batch": 8, "runners": 2, "latency_ms": {"p50": 500}}`
	if err := os.WriteFile(costs, []byte(json), 0o644); err != nil {
		t.Fatal(err)
	}
	for play, want := range map[string]string{
		"step": "HPA, queue depth", "loss": "1 spare, round robin", "update": "unavailable 2", "day": "instance group", "trace": "less busy of two",
	} {
		t.Run(play, func(t *testing.T) {
			got, err := ask(t, "--rate", "60", "--p99", "2s", "--profile", costs, "--max-batch", "8", "--share", "1",
				"--play", play, "--trace", "batching/sim/testdata/recorded.csv")
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(got, want) || !strings.Contains(got, "a node      32 images/s at most") {
				t.Errorf("no %q, or another capacity than 32, in:\n%s", want, got)
			}
		})
	}
}

func TestBadQuestions(t *testing.T) {
	for _, args := range []string{
		"", "--rate 0", "--rate 10 --p99 1ms", "--rate 10 --share 2", "--rate 10 --max-batch 0", "--rate 10 --profile none.csv",
		"--rate 10 --play nothing", "--rate 10 --play trace", "--rate 10 --boot -1s", "--rate 10 more", "--what",
	} {
		t.Run(args, func(t *testing.T) {
			if got, err := ask(t, strings.Fields(args)...); err == nil {
				t.Errorf("no error, but:\n%s", got)
			}
		})
	}
}
