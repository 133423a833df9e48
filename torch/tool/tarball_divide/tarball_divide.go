// Tarball_divide sorts the pictures of an archive by class: for each class it
// writes an archive, NAME.tar.gz, with the pictures of that class in their
// order. A picture's class is the name of the folder it lies in; the folders
// themselves and whatever else is not a regular file are left out.
//
//	tarball_divide -out=/tmp mnist_png.tar.gz
//
// writes /tmp/0.tar.gz to /tmp/9.tar.gz. Data sets often come sorted by class,
// and a training wants neighbours of different classes: tarball_merge puts the
// parts together again, a picture of each class in turn.
//
// All the parts are open at once, each with about a megabyte of memory.
package main

import (
	"archive/tar"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path"
	"path/filepath"

	"github.com/torchlit/torchlit/torch/tool/tgz"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("tarball_divide: ")
	out := flag.String("out", "./", "the folder to write the parts to")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage: tarball_divide [-out=FOLDER] INPUT.tar.gz")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := divide(flag.Arg(0), *out); err != nil {
		log.Fatal(err)
	}
}

// divide writes the parts of input to the folder output. On an error the parts
// written so far stay.
func divide(input, output string) (err error) {
	in, err := tgz.OpenFile(input)
	if err != nil {
		return err
	}
	defer in.Close()

	d := &divider{input: input, output: output, parts: map[string]*tgz.Writer{}}
	defer func() { err = errors.Join(err, d.close()) }()
	for {
		header, err := in.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("cannot read archive %q: %w", input, err)
		case header.Typeflag != tar.TypeReg:
			continue
		}
		if err := d.add(header, in); err != nil {
			return fmt.Errorf("cannot copy %q: %w", header.Name, err)
		}
	}
}

// divider keeps the parts that are being written, by class.
type divider struct {
	input, output string
	parts         map[string]*tgz.Writer
}

func (d *divider) add(header *tar.Header, content io.Reader) error {
	part, err := d.part(path.Base(path.Dir(header.Name)))
	if err != nil {
		return err
	}
	if err := part.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(part, content)
	return err
}

// part returns the archive of a class. The name comes out of an archive that
// anybody may have written, so it is held to be one of a plain file.
func (d *divider) part(class string) (*tgz.Writer, error) {
	if part, ok := d.parts[class]; ok {
		return part, nil
	}
	if class == "." || class == "/" || !filepath.IsLocal(class) {
		return nil, errors.New("it lies in no folder that could name its class: pack the folders of the classes")
	}
	fn := filepath.Join(d.output, class+".tar.gz")
	if sameFile(fn, d.input) {
		return nil, fmt.Errorf("its part %q would overwrite the input: choose another folder with -out", fn)
	}
	part, err := tgz.CreateFile(fn)
	if err != nil {
		return nil, err
	}
	log.Printf("writing %s", fn)
	d.parts[class] = part
	return part, nil
}

func (d *divider) close() (err error) {
	for class, part := range d.parts {
		if e := part.Close(); e != nil {
			err = errors.Join(err, fmt.Errorf("cannot finish the part of class %q: %w", class, e))
		}
	}
	return err
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}
