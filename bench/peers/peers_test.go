package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/torchlit/torchlit/bench"
)

// ready is an address that says 200.
func ready(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// Whatever a server has started ends with it, also if that does not listen to SIGTERM's sender.
func TestStopEndsTheWholeGroup(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	p, err := start(t.Context(), "shell", "", ready(t), []string{"sh", "-c", `sleep 300 & echo $! > "$0"; wait`, pid})
	if err != nil {
		t.Fatal(err)
	}
	var child int
	for child == 0 {
		b, _ := os.ReadFile(pid)
		child, _ = strconv.Atoi(strings.TrimSpace(string(b)))
		time.Sleep(time.Millisecond)
	}
	p.stop()
	if err := syscall.Kill(child, 0); err == nil && !isZombie(child) {
		t.Errorf("process %d lives", child)
	}
}

// isZombie reports whether a process has ended and only waits to be reaped, which is for whoever inherited it.
func isZombie(pid int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return strings.Contains(string(b), ") Z ")
}

func TestStartSaysWhyNot(t *testing.T) {
	nobody := "http://127.0.0.1:1/"
	_, err := start(t.Context(), "the server", "", nobody, []string{"sh", "-c", "echo no such model >&2; exit 3"})
	if err == nil || !strings.Contains(err.Error(), "no such model") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := start(ctx, "the server", "", nobody, []string{"sleep", "300"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := start(t.Context(), "the server", "", nobody, []string{"/nowhere/server"}); err == nil {
		t.Error("a program that is not there was started")
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var w tail
	for i := range 10_000 {
		fmt.Fprintf(&w, "line %d\n", i)
	}
	if got := w.String(); len(got) > tailBytes || !strings.HasSuffix(got, "line 9999") {
		t.Errorf("%d bytes, which end with %q", len(got), got[len(got)-20:])
	}
}

func TestSpread(t *testing.T) {
	f := func(want spread, figures ...float64) {
		t.Helper()
		if got := spreadOf(figures); got != want {
			t.Errorf("%v: got %v; want %v", figures, got, want)
		}
	}
	f(spread{2, 2, 2}, 2)
	f(spread{2, 1, 5}, 5, 1, 2)
	f(spread{2.5, 1, 9}, 9, 3, 1, 2)
}

func TestAgree(t *testing.T) {
	f := func(ok bool, same int, a, b map[string]int) {
		t.Helper()
		if g, err := agree(a, b); (err == nil) != ok || g.Same != same {
			t.Errorf("got %+v, %v", g, err)
		}
	}
	answers := func(n, classes, wrong int) map[string]int {
		m := map[string]int{}
		for i := range n {
			m[strconv.Itoa(i)] = i % classes
			if i < wrong {
				m[strconv.Itoa(i)]++
			}
		}
		return m
	}
	f(true, 100, answers(100, 50, 0), answers(100, 50, 0))
	f(true, 95, answers(100, 50, 0), answers(100, 50, 5))
	f(false, 94, answers(100, 50, 0), answers(100, 50, 6))
	f(false, 100, answers(100, 1, 0), answers(100, 1, 0)) // the same of every photo
	f(false, 99, answers(100, 50, 0), answers(99, 50, 0))
	f(true, 2, answers(2, 2, 0), answers(2, 2, 0))
}

// Each round is compared in itself.
func TestComparisonSumsUp(t *testing.T) {
	result := func(images, p99 float64) *bench.Result {
		return &bench.Result{ImagesPerSecond: images, Latency: &bench.Quantiles{P99: p99}}
	}
	f := compared{Turns: []turn{
		{"Torchlit", 1, result(100, 10)}, {"LitServe", 1, result(50, 40)},
		{"Torchlit", 2, result(60, 30)}, {"LitServe", 2, result(20, 60)}, // the machine was busy
		{"Torchlit", 3, result(90, 10)}, {"LitServe", 3, result(60, 30)},
	}}
	f.sumUp()
	if f.Images != (spread{2, 1.5, 3}) || f.P99 != (spread{1. / 3, 0.25, 0.5}) {
		t.Errorf("got %v and %v", f.Images, f.P99)
	}
}

func TestOverloadSumsUp(t *testing.T) {
	refused := func(goodput, inTime, p99 float64) *bench.Result {
		return &bench.Result{Goodput: goodput, InTime: inTime, Refused: bench.Turned{Latency: &bench.Quantiles{P50: 1, P99: p99, Max: 9}}}
	}
	f := overloaded{
		Capacities: []*bench.Result{{ImagesPerSecond: 100}, {ImagesPerSecond: 80}, {ImagesPerSecond: 100}},
		Overloads:  []*bench.Result{refused(90, 1, 3), {Goodput: 45, InTime: 0.5}},
	}
	f.sumUp()
	if f.Goodput != (spread{0.75, 0.5, 1}) || f.InTime != (spread{0.75, 0.5, 1}) || f.RefusalP99 != (spread{1.5, 0, 3}) || f.RefusalMax.Most != 9 {
		t.Errorf("got %+v", f)
	}
}

func TestShareIsWritten(t *testing.T) {
	f := shared{Model: "m", Results: []*shareOf{
		{Precision: "fp32", Setting: "2×1", Batch: 8, Goal: 0.93, Engine: spread{200, 190, 210}, Server: spread{180, 180, 180}, Share: spread{0.9, 0.85, 0.95}},
		{Precision: "int8", Refused: "no scales"},
	}}
	var out strings.Builder
	if err := f.print(&out); err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"2×1, batches of 8", "missing: no scales", "fp32: 0.900 of the engine. At least 0.93: MISSED."} {
		if !strings.Contains(out.String(), says) {
			t.Errorf("want %q in\n%s", says, &out)
		}
	}
	if says := "| fp32 | 200 | 180 | **0.90 (0.85–0.95)** |\n| int8 | missing: no scales | | |"; !strings.Contains(f.markdown(), says) {
		t.Errorf("want %q in\n%s", says, f.markdown())
	}
}

func TestUsage(t *testing.T) {
	f := func(says string, args ...string) {
		t.Helper()
		if err := run(t.Context(), args); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v", args, err)
		}
	}
	f("name what to measure")
	f("engine, litserve, overload, profile or server", "triton")
	f("must be positive", "overload", "--rounds", "0")
	f("all else is a flag", "overload", "now")
	f("must be above 1", "overload", "--images", ".", "--times", "1")
	f(`"fp1" is not known`, "server", "--precisions", "fp1")
	f("cannot read the requirements", "litserve", "--images", ".", "--litserve", t.TempDir())
}
