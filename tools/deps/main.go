// Command deps puts the pinned libtorch (torch/LIBTORCH) under .deps/libtorch, ready to
// compile and link against. "make deps" runs it, and so does every target that needs
// libtorch: when the right files are there it only reads a stamp.
//
// The libraries come from the wheels that the PyTorch project and NVIDIA publish,
// through pip, because these are built for old C libraries, signed by hash, and
// mirrored wherever Python is used. Only lib/ and include/ are taken out of them.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/torchlit/torchlit/tools/deps/internal/host"
	"github.com/torchlit/torchlit/tools/deps/internal/manifest"
)

func main() {
	c := config{Log: os.Stderr}
	var cuda bool
	flag.StringVar(&c.Dir, "dir", ".deps", "folder to keep downloads and libraries in")
	flag.StringVar(&c.Manifest, "manifest", filepath.Join("torch", "LIBTORCH"), "list of pinned libraries")
	flag.StringVar(&c.Platform, "platform", runtime.GOOS+"/"+runtime.GOARCH, "GOOS/GOARCH to fetch for")
	flag.StringVar(&c.Given, "libtorch", os.Getenv("LIBTORCH"), "use this libtorch instead of fetching one (default $LIBTORCH)")
	flag.StringVar(&c.Python, "python", "python3", "Python whose pip downloads")
	flag.BoolVar(&cuda, "cuda", false, "fetch the CUDA libraries too")
	flag.Parse()
	c.Flavour = manifest.CPU
	if cuda {
		c.Flavour = manifest.CUDA
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := c.run(ctx, host.This(os.Stderr)); err != nil {
		fmt.Fprintf(os.Stderr, "deps: %v\n", err)
		os.Exit(1)
	}
}
