package main

import (
	"context"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/torchlit/torchlit/bench"
)

// script is a turner in shell: it says hello and answers each line with the next of the answers.
func script(hello string, answers ...string) []string {
	body := "printf '%s\\n' \"$0\"; for a; do read -r line || exit; printf '%s\\n' \"$a\"; done; cat >/dev/null"
	return append([]string{"sh", "-c", body, hello}, answers...)
}

func mustTurner(t *testing.T, precision string, command []string) *turner {
	t.Helper()
	k, err := openTurner(t.Context(), precision, command)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.close)
	return k
}

func TestTurner(t *testing.T) {
	k := mustTurner(t, "fp32", script(`{"name":"X","version":"1","settings":[{"name":"1×2","at_once":1}]}`,
		`{"batches":10,"seconds":2,"p50_ms":200}`, `{"logits":[[1,2]]}`, `{"error":"out of memory"}`, `{}`, `no JSON`))
	if k.Name != "X" || k.Version != "1" || len(k.Settings) != 1 || k.Settings[0] != (setting{"1×2", 1}) {
		t.Errorf("got %+v", k.hello)
	}
	a, err := k.ask(t.Context(), turnRequest{Setting: "1×2", Batch: 1})
	if err != nil || a.Batches != 10 || a.Seconds != 2 || a.P50 != 200 {
		t.Errorf("got %+v, %v", a, err)
	}
	a, err = k.ask(t.Context(), turnRequest{Setting: "1×2", Batch: 1, Logits: true})
	if err != nil || len(a.Logits) != 1 || a.Logits[0][1] != 2 {
		t.Errorf("got %+v, %v", a, err)
	}
	f := func(says string) {
		t.Helper()
		if _, err := k.ask(t.Context(), turnRequest{Setting: "1×2", Batch: 8}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v; want an error that says %q", err, says)
		}
	}
	f("out of memory")
	f("it ran no batch")
	f("cannot read its line")
}

func TestTurnerThatEnds(t *testing.T) {
	_, err := openTurner(t.Context(), "bf16", []string{"sh", "-c", "echo no module named onnx >&2; exit 1"})
	if err == nil || !strings.Contains(err.Error(), "no module named onnx") {
		t.Errorf("got %v", err)
	}
	// What it said before it ended is read.
	if k := mustTurner(t, "bf16", []string{"sh", "-c", `echo '{"name":"X","refused":"no bf16 here"}'`}); k.Refused != "no bf16 here" {
		t.Errorf("got %+v", k.hello)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := openTurner(ctx, "fp32", []string{"sleep", "300"}); err == nil {
		t.Error("a program that says nothing was waited for")
	}
}

func TestDistance(t *testing.T) {
	f := func(relative, same float64, got, want [][]float32) {
		t.Helper()
		d, err := distanceOf(got, want)
		if err != nil || math.Abs(d.Relative-relative) > 1e-9 || d.Same != same {
			t.Errorf("got %+v, %v; want %v and %v", d, err, relative, same)
		}
	}
	f(0, 1, [][]float32{{3, 4}}, [][]float32{{3, 4}})
	f(0.2, 1, [][]float32{{3, 5}}, [][]float32{{3, 4}})
	f(math.Sqrt(2.0/50), 0.5, [][]float32{{4, 3}, {3, 4}}, [][]float32{{3, 4}, {3, 4}})
	for _, got := range [][][]float32{nil, {{1}}, {{1, 2}, {3, 4}}} {
		if _, err := distanceOf(got, [][]float32{{3, 4}}); err == nil {
			t.Errorf("%v was compared", got)
		}
	}
}

// fakeContest has Torchlit at twice eager's speed, and 1.25 times that of the better other.
func fakeContest(t *testing.T) *contest {
	t.Helper()
	of := func(name, precision string, batches ...int) *contender {
		k := &contender{
			turner: &turner{hello: hello{Name: name, Version: "1"}, precision: precision},
			chosen: map[sizeOf]setting{}, turns: map[sizeOf][]turnAnswer{}, distance: map[sizeOf]distance{},
		}
		for _, s := range []sizeOf{{1, true}, {8, false}} {
			k.chosen[s] = setting{"1×2", 1}
			for _, n := range batches {
				k.turns[s] = append(k.turns[s], turnAnswer{Batches: n, Seconds: 1, P50: 1000 / float64(n)})
			}
		}
		return k
	}
	return &contest{
		figures: &engineFigures{Began: time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC), Model: "ResNet18", Command: "go run", Machine: bench.Machine{CPU: "a CPU", Processors: 2}},
		cases:   []sizeOf{{1, true}, {8, false}},
		contenders: []*contender{
			of("Torchlit", "fp32", 10, 20, 30), of("PyTorch eager", "fp32", 5, 10, 15), of("ONNX Runtime", "fp32", 8, 16, 20), of("OpenVINO", "fp32", 2, 2, 2),
			of("Torchlit", "int8", 40, 50, 60), of("OpenVINO", "int8", 80, 50, 60),
		},
	}
}

// Ratios are those of one round: the machine was slow in the first one.
func TestEngineFigures(t *testing.T) {
	c := fakeContest(t)
	f := c.figures
	f.sumUp(c.contenders, c.cases)
	if len(f.Results) != 12 || len(f.Versions) != 4 {
		t.Fatalf("got %d results, %q", len(f.Results), f.Versions)
	}
	r := f.Results[6] // Torchlit's, fp32, batch 8
	if r.Batch != 8 || r.Alone || r.Images != (spread{160, 80, 240}) || r.Best != "ONNX Runtime" || *r.ToBest != (spread{1.25, 1.25, 1.5}) || *r.ToEager != (spread{2, 2, 2}) {
		t.Errorf("got %+v, %v, %v", r, r.ToBest, r.ToEager)
	}
	if r := f.Results[10]; *r.ToBest != (spread{1, 0.5, 1}) || *r.ToEager != (spread{5, 4, 8}) {
		t.Errorf("got %+v, %v, %v", r, r.ToBest, r.ToEager)
	}
	if r := f.Results[7]; r.ToBest != nil || r.ToEager != nil {
		t.Errorf("PyTorch has ratios of Torchlit: %+v", r)
	}
	f.Missing = []missing{{"ONNX Runtime", "bf16", "it has none."}}
	var out strings.Builder
	if err := f.print(&out); err != nil {
		t.Fatal(err)
	}
	for text, parts := range map[string][]string{
		out.String(): {"fp32, batch 8, 1.25 times ONNX Runtime. At least as fast: met.", "int8, batch 8, 5 times PyTorch eager in fp32. At least 4.5 times: met.", "Missing: ONNX Runtime in bf16: it has none."},
		f.markdown(): {"| precision | engine | 1, alone | 8 |", "| fp32 | Torchlit | 20.0 | 160.0 |", "**1.25 (1.25–1.50)**", "2026-11-26, 2 processors of a a CPU", "`go run`"},
	} {
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("%q is not in\n%s", part, text)
			}
		}
	}
}

// TestContest goes the whole way with engines that are none.
func TestContest(t *testing.T) {
	answer := `{"batches":10,"seconds":1,"p50_ms":100,"logits":[[1,2]]}`
	open := func(name, precision, logits string) *contender {
		slow := strings.Replace(answer, "10", "5", 1)
		// Two trials of two settings, the logits, two rounds.
		command := script(`{"name":"`+name+`","version":"1","settings":[{"name":"slow","at_once":1},{"name":"fast","at_once":2}]}`,
			slow, answer, slow, answer, `{"logits":`+logits+`}`, answer, answer)
		return &contender{turner: mustTurner(t, precision, command), chosen: map[sizeOf]setting{}, turns: map[sizeOf][]turnAnswer{}}
	}
	f := func(says, logits string) {
		t.Helper()
		c := &contest{
			engines: &engines{settings: &settings{rounds: 2}}, figures: &engineFigures{}, cases: []sizeOf{{1, false}},
			contenders: []*contender{open("Torchlit", "fp32", logits), open("PyTorch eager", "fp32", "[[1,2]]")},
		}
		err := c.tuneAll(t.Context())
		if err == nil {
			err = c.compareLogits(t.Context())
		}
		if err == nil {
			err = c.measure(t.Context())
		}
		if says != "" {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("got %v; want an error that says %q", err, says)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range c.contenders {
			if k.chosen[sizeOf{1, false}].Name != "fast" || len(k.turns[sizeOf{1, false}]) != 2 {
				t.Errorf("%s: got %+v, %d turns", k.Name, k.chosen, len(k.turns))
			}
		}
	}
	f("", "[[1,2.00001]]")
	f("Torchlit in fp32 does not give PyTorch's logits", "[[1,2.1]]")
	f("logits of 2 images", "[[1,2],[1,2]]")
}

func TestReplaceMeasured(t *testing.T) {
	page := "before\n<!-- measured: a -->\nold\n<!-- end -->\nbetween\n<!-- measured: b -->\n<!-- end -->\nafter\n"
	got, err := replaceMeasured(page, "a", "new\n")
	if want := strings.Replace(page, "old", "new", 1); err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err = replaceMeasured(got, "b", "x"); err != nil || !strings.Contains(got, "b -->\nx\n<!-- end -->\nafter") {
		t.Errorf("got %q, %v", got, err)
	}
	for _, bad := range []string{"", "<!-- measured: a -->\nno end", "<!-- measured: a -->\n<!-- measured: b -->\n<!-- end -->"} {
		if _, err := replaceMeasured(bad, "a", "x"); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	s := settings{page: filepath.Join(t.TempDir(), "page.md")}
	if err := os.WriteFile(s.page, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.publish("b", "figures"); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(s.page); !strings.Contains(string(b), "figures") {
		t.Errorf("got %q", b)
	}
}

func TestEngineFlags(t *testing.T) {
	f := func(says string, args ...string) *engines {
		t.Helper()
		e := &engines{settings: &settings{}}
		flags := flag.NewFlagSet("engine", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		flags.DurationVar(&e.duration, "duration", time.Hour, "")
		flags.DurationVar(&e.warmup, "warmup", time.Hour, "")
		flags.IntVar(&e.rounds, "rounds", 100, "")
		e.register(flags)
		if err := flags.Parse(args); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v", args, err)
		}
		return e
	}
	e := f("", "--batches", "1,4", "--peers", "eager")
	if e.duration != 2*time.Second || e.rounds != 5 || len(e.batches) != 2 || e.batches[1] != 4 || len(e.peers) != 1 || len(e.precisions) != 3 {
		t.Errorf("got %+v", e)
	}
	f("no number", "--batches", "0")
	f("no number", "--batches", "33")
	f("is not known", "--peers", "tvm")
	f("is not known", "--precisions", "fp8")
}
