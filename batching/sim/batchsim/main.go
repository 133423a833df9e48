// Batchsim plays arrival traces against package batching and against models of other batchers, and prints what callers got.
//
//	go run ./batching/sim/batchsim -costs batching/sim/testdata/cpu.csv -trace batching/sim/testdata/bursty.csv -deadline 1s
//	go run ./batching/sim/batchsim -record access.log > mine.csv    make a trace of a server's access log
//	go run ./batching/sim/batchsim -traces                          make the drawn traces in testdata anew
//	go run ./batching/sim/batchsim -docs                            make the figures and the table of docs/source/batching.md anew
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/torchlit/torchlit/batching/sim"
)

// bubble is where time can be fake.
var bubble *testing.T

// Fake time, which stands still while anything runs and jumps when all sleep, exists in tests only. So the program is one.
func main() {
	args := os.Args[1:]
	os.Args = os.Args[:1] // The rest is not for package testing.
	all := func(_, _ string) (bool, error) { return true, nil }
	testing.Main(all, []testing.InternalTest{{Name: "batchsim", F: func(t *testing.T) {
		bubble = t
		if err := run(args); err != nil {
			fmt.Fprintln(os.Stderr, "batchsim:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}}}, nil, nil)
}

func run(args []string) error {
	s := setup{}
	flags := flag.NewFlagSet("batchsim", flag.ExitOnError)
	flags.StringVar(&s.costs, "costs", "", "file with the run time of each batch size, lines of size,seconds")
	flags.StringVar(&s.trace, "trace", "", "file with the moments of arrivals in seconds; it is stretched in time to each load")
	flags.DurationVar(&s.deadline, "deadline", time.Second, "how long each caller waits")
	flags.DurationVar(&s.delay, "delay", 20*time.Millisecond, "what Triton's and LitServe's models wait for company")
	flags.IntVar(&s.maxBatch, "max-batch", 32, "the largest batch")
	flags.Float64Var(&s.noise, "noise", 0.03, "spread of run times, as a share of them")
	record := flags.String("record", "", "print a trace made of this access log, and do nothing else")
	traces := flags.Bool("traces", false, "write the drawn traces to "+testdata+", and do nothing else")
	docs := flags.Bool("docs", false, "write the figures and the table of docs/source/batching.md, and do nothing else")
	flags.Parse(args)
	switch {
	case *record != "":
		return printTrace(*record)
	case *traces:
		return writeTraces()
	case *docs:
		return writeDocs(folder)
	case s.costs == "" || s.trace == "":
		return errors.New("-costs and -trace are needed; see -help")
	}
	sweeps, err := s.sweep([]float64{0.2, 0.5, 0.8, 1, 1.5, 2})
	if err != nil {
		return err
	}
	return printTable(os.Stdout, sweeps, []float64{0.2, 0.5, 0.8, 1, 1.5, 2})
}

const testdata = "batching/sim/testdata"

func printTrace(log string) error {
	f, err := os.Open(log)
	if err != nil {
		return err
	}
	defer f.Close()
	arrivals, err := sim.ReadAccessLog(f)
	if err != nil {
		return err
	}
	return sim.WriteTrace(os.Stdout, "Recorded by the access log of torchlit serve: seconds since the first arrival.", arrivals)
}

func writeTraces() error {
	for _, t := range []struct {
		name, about string
		draw        func(n int, seed uint64) []time.Duration
	}{
		{"poisson", "Arrivals that know nothing of each other, one a second in the mean (sim.Poisson).", sim.Poisson},
		{"bursty", "Bursts at four times the mean rate, quiet times at a quarter of it (sim.Bursty).", sim.Bursty},
		{"diurnal", "Five days, between a fifth and nine fifths of the mean rate (sim.Diurnal).", sim.Diurnal},
	} {
		f, err := os.Create(filepath.Join(testdata, t.name+".csv"))
		if err != nil {
			return err
		}
		if err := errors.Join(sim.WriteTrace(f, t.about, t.draw(4000, 1)), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// inFakeTime calls f where time is fake.
func inFakeTime(f func()) {
	synctest.Test(bubble, func(*testing.T) { f() })
}
