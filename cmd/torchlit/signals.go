package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

type furtherKey struct{}

// untilSignalled returns a context that the first SIGTERM or Ctrl-C ends. Those that follow come out of furtherSignals. One goroutine
// takes them all, so that a first one cannot be mistaken for a second.
func untilSignalled(parent context.Context) context.Context {
	got := make(chan os.Signal, 8)
	signal.Notify(got, os.Interrupt, syscall.SIGTERM)
	further := make(chan os.Signal, 8)
	ctx, cancel := context.WithCancel(context.WithValue(parent, furtherKey{}, further))
	go func() {
		<-got
		cancel()
		for sig := range got {
			select {
			case further <- sig:
			default: // more than anybody waits for
			}
		}
	}()
	return ctx
}

// furtherSignals yields the signals that came after the one that ended ctx.
func furtherSignals(ctx context.Context) <-chan os.Signal {
	further, _ := ctx.Value(furtherKey{}).(chan os.Signal)
	return further
}
