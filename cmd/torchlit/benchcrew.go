package main

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/torchlit/torchlit/predict"
)

// crew is a model with its runners, each on an OS thread of its own that keeps its team of threads from one turn to the next. Between
// turns all of them wait.
type crew struct {
	model   *predict.Model
	workers []chan<- func(*predict.Runner)
	ended   sync.WaitGroup
}

func openCrew(dir string, options predict.Options) (*crew, error) {
	model, err := predict.Open(dir, options)
	if err != nil {
		return nil, err
	}
	c := &crew{model: model}
	for range model.Options().Runners {
		work, opened := make(chan func(*predict.Runner)), make(chan error)
		c.ended.Go(func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with its team
			runner, err := model.NewRunner()
			opened <- err
			if err != nil {
				return
			}
			defer runner.Close()
			for f := range work {
				f(runner)
			}
		})
		if err := <-opened; err != nil {
			close(work)
			c.close()
			return nil, err
		}
		c.workers = append(c.workers, work)
	}
	return c, nil
}

func (c *crew) close() {
	for _, w := range c.workers {
		close(w)
	}
	c.ended.Wait()
	c.model.Close()
}

// turn lets all runners run the same batch again and again; or one run it once, for its logits.
func (c *crew) turn(ctx context.Context, r turnRequest, in [][]byte) (turnAnswer, error) {
	workers := c.workers
	if r.Logits {
		workers = workers[:1]
	}
	logits := make([][]float32, len(in))
	took, failed := make([][]time.Duration, len(workers)), make([]error, len(workers))
	var all, begun sync.WaitGroup
	begun.Add(len(workers))
	all.Add(len(workers))
	for i, work := range workers {
		work <- func(runner *predict.Runner) {
			defer all.Done()
			if r.Logits {
				failed[i] = runner.Logits(in, logits)
				return
			}
			out := make([][]float32, len(in))
			run := func() error { return runner.Run(in, out) }
			failed[i] = run()
			begun.Done()
			begun.Wait()
			if failed[i] == nil {
				took[i], failed[i] = timed(ctx, run, seconds(r.Warmup), seconds(r.Seconds))
			}
		}
	}
	all.Wait()
	for _, err := range failed {
		if err != nil {
			return turnAnswer{}, err
		}
	}
	if r.Logits {
		return turnAnswer{Logits: logits}, nil
	}
	return sumTurn(took), nil
}

// timed calls run for as long as warmup without taking note, then for as long as it is to last, and returns how long each call took.
func timed(ctx context.Context, run func() error, warmup, lasts time.Duration) (took []time.Duration, err error) {
	for begin := time.Now(); time.Since(begin) < warmup && ctx.Err() == nil; {
		if err := run(); err != nil {
			return nil, err
		}
	}
	begin := time.Now()
	for last := begin; last.Sub(begin) < lasts && ctx.Err() == nil; {
		if err := run(); err != nil {
			return nil, err
		}
		now := time.Now()
		took = append(took, now.Sub(last))
		last = now
	}
	return took, nil
}

// sumTurn adds up the rates of the runners: one of them ends its last batch a little later than another.
func sumTurn(took [][]time.Duration) (a turnAnswer) {
	var rate float64
	var all []time.Duration
	for _, t := range took {
		var sum time.Duration
		for _, d := range t {
			sum += d
		}
		if sum > 0 {
			rate += float64(len(t)) / sum.Seconds()
		}
		all = append(all, t...)
	}
	if rate == 0 {
		return a
	}
	slices.Sort(all)
	return turnAnswer{
		Batches: len(all), Seconds: float64(len(all)) / rate, P50: all[len(all)/2].Seconds() * 1e3,
	}
}
