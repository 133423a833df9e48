// Tarball_merge joins archives, taking an entry of each in turn until all are
// used up:
//
//	tarball_merge -out=/tmp/merged.tar.gz /tmp/[0-9].tar.gz
//
// Given the parts that tarball_divide made, one for each class, it makes an
// archive in which neighbours are of different classes, as a training wants
// them. When one class has more pictures than the others, its last ones end up
// together.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/torchlit/torchlit/torch/tool/tgz"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("tarball_merge: ")
	out := flag.String("out", "./merged.tar.gz", "the archive to write")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage: tarball_merge [-out=OUTPUT.tar.gz] INPUT.tar.gz...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := mergeFiles(flag.Args(), *out); err != nil {
		log.Fatal(err)
	}
}

// mergeFiles writes the archive out. On an error what is written so far stays.
func mergeFiles(fns []string, out string) (err error) {
	for _, fn := range fns {
		if sameFile(fn, out) { // a second run over *.tar.gz would do it
			return fmt.Errorf("cannot merge %q into itself: choose another -out, or leave it out", fn)
		}
	}
	ins, err := openAll(fns)
	if err != nil {
		return err
	}
	defer closeAll(ins)
	w, err := tgz.CreateFile(out)
	if err != nil {
		return err
	}
	defer func() {
		if e := w.Close(); e != nil {
			err = errors.Join(err, fmt.Errorf("cannot finish archive %q: %w", out, e))
		}
	}()
	return merge(ins, w)
}

// input is an archive to take from, with its name for errors.
type input struct {
	*tgz.Reader
	fn string
}

func openAll(fns []string) ([]input, error) {
	ins := make([]input, 0, len(fns))
	for _, fn := range fns {
		r, err := tgz.OpenFile(fn)
		if err != nil {
			closeAll(ins)
			return nil, err
		}
		ins = append(ins, input{r, fn})
	}
	return ins, nil
}

func closeAll(ins []input) {
	for _, in := range ins {
		in.Close()
	}
}

// merge goes round the inputs; whichever is at its end leaves the round.
func merge(ins []input, w *tgz.Writer) error {
	for len(ins) > 0 {
		left := make([]input, 0, len(ins))
		for _, in := range ins {
			switch err := copyNext(w, in); err {
			case nil:
				left = append(left, in)
			case io.EOF:
			default:
				return err
			}
		}
		ins = left
	}
	return nil
}

// copyNext copies the next entry of in, or returns io.EOF.
func copyNext(w *tgz.Writer, in input) error {
	header, err := in.Next()
	if err == io.EOF {
		return err
	}
	if err != nil {
		return fmt.Errorf("cannot read archive %q: %w", in.fn, err)
	}
	if err := w.WriteHeader(header); err != nil {
		return fmt.Errorf("cannot write the header of %q: %w", header.Name, err)
	}
	if _, err := io.Copy(w, in); err != nil {
		return fmt.Errorf("cannot copy %q from %q: %w", header.Name, in.fn, err)
	}
	return nil
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}
