package server

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/torchlit/torchlit/internal/cpus"
)

// decodeCrew is threads of their own for photos that take long to decode, with a priority between those that compute and those that
// answer.
//
// Goal: under overload most requests are refused, which takes microseconds, and each should hear so at once. On two cores that compute
// and decode all the time a refusal waits for the kernel to take a core from someone: for a thread that computes, a lower
// priority takes care of that; decoding, a millisecond or two at the same priority as answering, was the rest of the wait
// (refusals at the 99th percentile, in turns: 6.3, 7.2, 6.3 ms, and so 3.7, 4.4, 4.0). A thread can lower its priority but not raise it again without privileges, so
// those that decode do nothing else.
//
// A job costs two switches between threads, some 20 µs, so what is decoded in less than a few times that is left to whoever asks.
type decodeCrew struct {
	jobs chan *decodeJob
	idle sync.Pool // of jobs
	how  decoding
	quit chan struct{}
	wg   sync.WaitGroup
}

// decoding makes a model's input of an image: vision.Preprocess.Read, or Decoder.Read.
type decoding func(ctx context.Context, m *served, data, pixels []byte) error

// decodeHere decodes in this process. It cannot be interrupted.
func decodeHere(_ context.Context, m *served, data, pixels []byte) error {
	return m.Preprocess.Read(data, m.Limits, m.Resizer, pixels)
}

// decodeBy has d decode, with the model's preprocessing and limits.
func decodeBy(d Decoder) decoding {
	return func(ctx context.Context, m *served, data, pixels []byte) error {
		return d.Read(ctx, &m.Preprocess, data, m.Limits, m.Resizer, pixels)
	}
}

// decodeJob is one image. It is used again.
type decodeJob struct {
	ctx          context.Context
	m            *served
	data, pixels []byte
	err          error
	panicked     any
	done         chan struct{}
}

// decodeNice lies between the threads that answer, 0, and those that compute.
const decodeNice = 3

// longDecode is the least size of a file that is worth the switches: a JPEG of so many bytes takes 0.2 ms and more.
const longDecode = 16 << 10

func startDecodeCrew(threads int, how decoding) *decodeCrew {
	c := &decodeCrew{how: how, jobs: make(chan *decodeJob), quit: make(chan struct{})}
	c.idle.New = func() any { return &decodeJob{done: make(chan struct{}, 1)} }
	for range threads {
		c.wg.Go(c.work)
	}
	return c
}

// work keeps its thread, which ends with it.
func (c *decodeCrew) work() {
	runtime.LockOSThread()
	cpus.Yield(decodeNice)
	for {
		select {
		case j := <-c.jobs:
			j.run(c.how)
			j.done <- struct{}{}
		case <-c.quit:
			return
		}
	}
}

func (j *decodeJob) run(how decoding) {
	defer func() {
		if v := recover(); v != nil {
			j.panicked = fmt.Sprintf("%v\n%s", v, debug.Stack())
		}
	}()
	j.err = how(j.ctx, j.m, j.data, j.pixels)
}

// read decodes, on one of the threads where that pays. A panic is the caller's.
func (c *decodeCrew) read(ctx context.Context, m *served, data, pixels []byte) error {
	if len(data) < longDecode {
		return c.how(ctx, m, data, pixels)
	}
	j := c.idle.Get().(*decodeJob)
	j.ctx, j.m, j.data, j.pixels = ctx, m, data, pixels
	select {
	case c.jobs <- j:
		<-j.done
	case <-c.quit:
		j.run(c.how)
	}
	err, panicked := j.err, j.panicked
	*j = decodeJob{done: j.done}
	c.idle.Put(j)
	if panicked != nil {
		panic(panicked)
	}
	return err
}

// stop ends the threads. Whoever comes later decodes on his own.
func (c *decodeCrew) stop() {
	close(c.quit)
	c.wg.Wait()
}
