package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The whole program but its files: every policy at two loads, as a table and as a figure.
func TestSweep(t *testing.T) {
	bubble = t
	s := machines[0].setup
	s.costs, s.trace = "../testdata/cpu.csv", "../testdata/recorded.csv"
	loads := []float64{0.5, 2}
	sweeps, err := s.sweep(loads)
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	if err := printTable(&table, sweeps, loads); err != nil {
		t.Fatal(err)
	}
	svg, err := drawFigure("A title", sweeps, loads, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range sweeps {
		if strings.Count(table.String(), w.policy+" ") != 2 || !strings.Contains(string(svg), w.policy) {
			t.Errorf("%q is not in the table twice and in the figure:\n%s", w.policy, table.String())
		}
	}
	if ours := &sweeps[0].outcomes[1]; ours.Good == 0 || ours.Refused == 0 {
		t.Errorf("at twice the capacity %+v; want answers and refusals", ours)
	}
}

func TestBadSettings(t *testing.T) {
	bubble = t
	good := machines[0].setup
	good.costs, good.trace = "../testdata/cpu.csv", "../testdata/poisson.csv"
	empty := filepath.Join(t.TempDir(), "empty.csv")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, spoil := range []func(*setup){
		func(s *setup) { s.maxBatch = 0 },
		func(s *setup) { s.deadline = 0 },
		func(s *setup) { s.trace = empty },
		func(s *setup) { s.costs = empty },
		func(s *setup) { s.costs = "none.csv" },
	} {
		s := good
		spoil(&s)
		if _, err := s.sweep([]float64{1}); err == nil {
			t.Errorf("no error for %+v", s)
		}
	}
}
