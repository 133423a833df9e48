// Command cifar10 makes the CIFAR-10 data set under data/: `make data` runs it.
// With --set cifar100 it makes CIFAR-100.
// Run again, it goes on with an interrupted download and leaves alone what is
// complete.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/torchlit/torchlit/dataset/cifar10"
	"github.com/torchlit/torchlit/dataset/fetch"
)

func main() {
	os.Exit(run(os.Args[1:]))
}

// run returns the exit code: 0 done, 1 failed, 2 bad usage.
func run(args []string) int {
	flags := flag.NewFlagSet("cifar10", flag.ContinueOnError)
	name := flags.String("set", "cifar10", "which `data set` to make: cifar10 or cifar100")
	raw := flags.String("raw", "data/raw", "`folder` that keeps the archive")
	processed := flags.String("processed", "data/processed", "`folder` in which cifar10/ (cifar100/) is made")
	from := flags.String("from", "", "local copy at `path`: an official archive (binary or Python), or an archive or folder with cifar10/{train,test}/<class>/ images; nothing is fetched")
	url := flags.String("url", "", "where to fetch the archive, for a mirror (default: the publisher's `address`)")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "cifar10: unexpected argument %q; a local copy is given by --from\n", flags.Arg(0))
		return 2
	}
	sets := map[string]cifar10.Set{"cifar10": cifar10.CIFAR10(), "cifar100": cifar10.CIFAR100()}
	set, ok := sets[*name]
	if !ok {
		fmt.Fprintf(os.Stderr, "cifar10: unknown data set %q; --set takes cifar10 or cifar100\n", *name)
		return 2
	}
	if *url != "" {
		set.Archive.URL = *url
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	progress := newProgress(os.Stderr, set.Title)
	res, err := cifar10.Make(ctx, cifar10.Config{
		Set: set, Raw: *raw, Processed: *processed, From: *from,
		Fetch: fetch.Options{Progress: progress.update, Retry: progress.retry},
		Log: func(line string) {
			progress.finish()
			fmt.Fprintln(os.Stderr, line)
		},
	})
	progress.finish()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cifar10:", err)
		return 1
	}
	state := "made"
	if res.UpToDate {
		state = "up to date"
	}
	fmt.Printf("%s: %d training images, %d test images (%s)\n", res.Dir, res.Train, res.Test, state)
	return 0
}
