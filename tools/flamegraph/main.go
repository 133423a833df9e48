// Command flamegraph draws a CPU profile as a flame graph, in one SVG file that needs no script:
//
//	go run ./tools/flamegraph -o docs/source/profile.svg cpu.pprof
//
// Each box is a function; its width is its share of the samples, what lies on it is what it called. Boxes are in the order of the names,
// not of time. What is called through cgo has no Go functions: it counts as the box that calls C. `make profile` runs a server under
// load and draws it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/google/pprof/profile"
)

func main() {
	err := run(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "flamegraph:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("flamegraph", flag.ContinueOnError)
	output := flags.String("o", "profile.svg", "the file to write")
	title := flags.String("title", "", "what is written above the graph")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("name one file with a CPU profile")
	}
	root, err := read(flags.Arg(0))
	if err != nil {
		return err
	}
	if err := os.WriteFile(*output, draw(root, *title), 0o644); err != nil {
		return fmt.Errorf("cannot write the flame graph: %w", err)
	}
	return nil
}

// read makes a tree of a profile's samples.
func read(path string) (*frame, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the profile: %w", err)
	}
	defer file.Close()
	p, err := profile.Parse(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the profile %q: %w", path, err)
	}
	if len(p.SampleType) == 0 {
		return nil, fmt.Errorf("cannot read the profile %q: it has no samples", path)
	}
	value := len(p.SampleType) - 1 // of a CPU profile: nanoseconds
	root := &frame{name: "all"}
	for _, s := range p.Sample {
		at := root
		at.total += s.Value[value]
		for i := len(s.Location) - 1; i >= 0; i-- {
			for j := len(s.Location[i].Line) - 1; j >= 0; j-- { // the last one is what others were inlined into
				if f := s.Location[i].Line[j].Function; f != nil && f.Name != "" { // what C++ runs has an address alone
					at = at.child(short(f.Name))
					at.total += s.Value[value]
				}
			}
		}
	}
	if root.total == 0 {
		return nil, fmt.Errorf("cannot draw the profile %q: it is empty", path)
	}
	return root, nil
}
