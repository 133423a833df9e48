package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
)

// writeProfile writes a profile of stacks, outermost function first, with their nanoseconds.
func writeProfile(t *testing.T, stacks map[string]int64) string {
	t.Helper()
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}}}
	for stack, nanoseconds := range stacks {
		s := &profile.Sample{Value: []int64{1, nanoseconds}}
		names := strings.Split(stack, ";")
		for i := len(names) - 1; i >= 0; i-- {
			f := &profile.Function{ID: uint64(len(p.Function) + 1), Name: names[i]}
			l := &profile.Location{ID: uint64(len(p.Location) + 1), Line: []profile.Line{{Function: f}}}
			p.Function, p.Location = append(p.Function, f), append(p.Location, l)
			s.Location = append(s.Location, l)
		}
		p.Sample = append(p.Sample, s)
	}
	path := filepath.Join(t.TempDir(), "cpu.pprof")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := p.Write(file); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFlameGraph(t *testing.T) {
	in := writeProfile(t, map[string]int64{
		"main.serve;github.com/torchlit/torchlit/vision.Decode":     3e9,
		"main.serve;github.com/torchlit/torchlit/predict.Run[...]":  5e9,
		"runtime._ExternalCode":                                     2e9,
		"main.serve;github.com/torchlit/torchlit/vision.Decode;a<b": 1,
	})
	out := filepath.Join(t.TempDir(), "out.svg")
	if err := run([]string{"-o", out, "-title", "R&D", in}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<title>main.serve: 80.0 %</title>", "<title>vision.Decode: 30.0 %</title>", "<title>predict.Run[...]: 50.0 %</title>", "threads that C++ started", "R&amp;D"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(string(b), "a&lt;b") {
		t.Error("a box too thin to be seen was drawn")
	}
	for d := xml.NewDecoder(strings.NewReader(string(b))); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestFlameGraphRefuses(t *testing.T) {
	f := func(says string, args ...string) {
		t.Helper()
		if err := run(args); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v", args, err)
		}
	}
	f("name one file")
	f("cannot read the profile", "/nowhere")
	f("cannot read the profile", "main.go")
	f("it is empty", writeProfile(t, nil))
}
