package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// turner is an engine in a process of its own that computes only when it is asked to: a request is a line of JSON on its standard
// input, an answer one on its standard output. engine/peer.py and torchlit bench --turns are such programs.
type turner struct {
	hello
	precision string
	process   *process
	in        io.WriteCloser
	out       *os.File
	lines     *bufio.Reader // of out
}

// hello is the first line of a turner.
type hello struct {
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	Settings []setting `json:"settings"`
	Refused  string    `json:"refused"` // why there is no such precision; the rest is empty then
}

// setting is one way to use the machine's threads.
type setting struct {
	Name   string `json:"name"`
	AtOnce int    `json:"at_once"` // batches that run at the same time
}

// turnRequest asks for a measurement, or for logits.
type turnRequest struct {
	Setting string  `json:"setting"`
	Batch   int     `json:"batch"`
	Images  string  `json:"images"` // file of 8-bit RGB pixels
	Warmup  float64 `json:"warmup_s,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	Logits  bool    `json:"logits,omitempty"`
}

// turnAnswer is what was measured, or the logits of each image of a batch.
type turnAnswer struct {
	Batches int         `json:"batches"`
	Seconds float64     `json:"seconds"` // that so many batches take, with all that run at once
	P50     float64     `json:"p50_ms"`  // of one batch
	Logits  [][]float32 `json:"logits"`
	Error   string      `json:"error"`
}

// answersWithin bounds what a turn may take beyond its time: the first one of a setting builds the network, and a compiler of graphs
// takes minutes.
const answersWithin = 15 * time.Minute

// openTurner starts a turner and waits for its hello. The caller closes it.
func openTurner(ctx context.Context, precision string, command []string) (*turner, error) {
	t := &turner{precision: precision, process: newProcess(command[0], command)}
	cmd := t.process.cmd
	cmd.Env = append(os.Environ(), "PYTHONIOENCODING=utf-8", "PYTHONDONTWRITEBYTECODE=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", command[0], err)
	}
	// Not cmd.StdoutPipe, which Wait closes under whoever reads it.
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", command[0], err)
	}
	t.in, t.out, t.lines, cmd.Stdout = in, r, bufio.NewReader(r), w
	err = t.process.launch()
	w.Close()
	if err != nil {
		r.Close()
		return nil, err
	}
	if err := t.read(ctx, &t.hello); err != nil {
		t.close()
		return nil, fmt.Errorf("cannot start %s in %s: %w", strings.Join(command, " "), precision, err)
	}
	if t.Name != "" {
		t.process.name = t.Name
	}
	return t, nil
}

// ask sends a request and waits for its answer.
func (t *turner) ask(ctx context.Context, r turnRequest) (a turnAnswer, err error) {
	line, err := json.Marshal(r)
	if err != nil {
		panic("BUG: a request that is no JSON: " + err.Error())
	}
	if _, err = t.in.Write(append(line, '\n')); err == nil {
		err = t.read(ctx, &a)
	}
	if err == nil && a.Error != "" {
		err = errors.New(a.Error)
	}
	if err == nil && !r.Logits && !(a.Batches > 0 && a.Seconds > 0) {
		err = errors.New("it ran no batch")
	}
	if err != nil {
		return a, fmt.Errorf("cannot run %s in %s, setting %q, batches of %d: %w", t.Name, t.precision, r.Setting, r.Batch, err)
	}
	return a, nil
}

// pause lets the threads of the engine before fall asleep: OpenMP's wait a few milliseconds in a loop.
const pause = 50 * time.Millisecond

// turn is ask for a measurement, which comes after another engine's.
func (t *turner) turn(ctx context.Context, r turnRequest) (turnAnswer, error) {
	time.Sleep(pause)
	return t.ask(ctx, r)
}

// read reads a line within the time allowed. After an error the turner is of no more use.
func (t *turner) read(ctx context.Context, v any) error {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	type result struct {
		line []byte
		err  error
	}
	got := make(chan result, 1)
	go func() {
		line, err := t.lines.ReadBytes('\n')
		got <- result{line, err}
	}()
	select {
	case r := <-got:
		if r.err != nil {
			return fmt.Errorf("it ended; it said:\n%s", t.process.output.String())
		}
		if err := json.Unmarshal(r.line, v); err != nil {
			return fmt.Errorf("cannot read its line %.100q: %w", r.line, err)
		}
		return nil
	case <-ctx.Done():
		t.process.kill() // which ends the reader, too
		return ctx.Err()
	}
}

// close ends the process: no more input, and if that is not enough as process.stop does.
func (t *turner) close() {
	t.in.Close()
	select {
	case <-t.process.done:
	case <-time.After(leavesWithin):
	}
	t.process.stop()
	t.out.Close()
}
