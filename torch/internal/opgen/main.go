// Command opgen writes package torch's operator functions from the list in
// torch/operators.
//
//	go generate ./torch
//
// # The list
//
// An operator is declared as the Go function that users call, without a body.
// Its comment becomes the function's documentation, and its last lines say how
// the call is made:
//
//	// Clamp limits every element to [min, max].
//	//
//	//torch:op aten::clamp(a, min, max)
//	//torch:method inplace
//	func Clamp(a Tensor, min, max float64) Tensor
//
// The arguments of torch:op stand in the order of libtorch's schema, all of
// them: a parameter's name; the name with ? for a Tensor or slice whose zero
// value means "none"; number:name for a float64 that libtorch is to take for an
// integer when it has no fraction, which matters to integer tensors; or a constant
// (none, true, 2, 1e-5, "mean", []). The Go type of a parameter decides how it is
// passed. torch:method adds a method on the first parameter, inplace adds the method
// with an I at the end of its name, which calls the operator of the same name with
// an underscore. torch:inplace alone gives the operator of the in-place method when
// it differs.
//
// For each declaration come a function that panics and, beside it, one whose
// name begins with Try and that returns the error.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("opgen: ")
	list := flag.String("list", "operators", "the folder that holds the list")
	out := flag.String("out", ".", "the folder to write to")
	flag.Parse()
	files, err := generateAll(*list)
	if err != nil {
		log.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(*out, name), text, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// generateAll returns the files to write, by name: ops_x_gen.go for each x.go of
// the list.
func generateAll(list string) (map[string][]byte, error) {
	paths, err := filepath.Glob(filepath.Join(list, "*.go"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("cannot generate operators: no list in %q", list)
	}
	files := map[string][]byte{}
	seen := map[string]string{}
	for _, path := range paths {
		ops, err := parse(path)
		if err != nil {
			return nil, err
		}
		for _, op := range ops {
			if other := seen[op.name]; other != "" {
				return nil, fmt.Errorf("%s is declared in %s and in %s", op.name, other, path)
			}
			seen[op.name] = path
		}
		text, err := write(filepath.Base(path), ops)
		if err != nil {
			return nil, fmt.Errorf("cannot write the operators of %q: %w", path, err)
		}
		base := filepath.Base(path)
		files["ops_"+base[:len(base)-len(".go")]+"_gen.go"] = text
	}
	return files, nil
}
