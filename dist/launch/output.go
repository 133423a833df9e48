package launch

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// output marks the lines of all ranks and writes them whole, one at a time.
type output struct {
	mu             sync.Mutex
	stdout, stderr io.Writer
	width          int // of a rank's number
	readers        []*os.File
	pipes          sync.WaitGroup
}

func newOutput(stdout, stderr io.Writer, ranks int) *output {
	if stdout == nil {
		stdout = io.Discard
	}
	if stderr == nil {
		stderr = io.Discard
	}
	return &output{stdout: stdout, stderr: stderr, width: len(fmt.Sprint(ranks - 1))}
}

// attach gives a rank that is about to start two pipes, and reads them until the rank
// and all its children have closed them.
//
// The pipes are files of the command and not its own (StdoutPipe), whose Wait would
// close them before they are read to the end.
func (o *output) attach(k *rank) error {
	for _, p := range []struct {
		set func(*os.File)
		to  io.Writer
	}{
		{func(f *os.File) { k.cmd.Stdout = f }, o.stdout},
		{func(f *os.File) { k.cmd.Stderr = f }, o.stderr},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			return fmt.Errorf("cannot read the output of rank %d: %w", k.number, err)
		}
		p.set(w)
		o.readers = append(o.readers, r)
		o.pipes.Go(func() { o.copy(p.to, r, fmt.Sprintf("[rank %*d] ", o.width, k.number)) })
	}
	return nil
}

// detach closes this process's ends of the pipes.
func (o *output) detach(k *rank) {
	for _, w := range []io.Writer{k.cmd.Stdout, k.cmd.Stderr} {
		if f, ok := w.(*os.File); ok {
			f.Close()
		}
	}
}

// lastWords is how long what a rank left behind may keep the pipes open after it.
const lastWords = 2 * time.Second

// wait returns when all output is written. REQUIRES: the ranks have ended.
func (o *output) wait() {
	give := func() {
		for _, r := range o.readers {
			r.Close()
		}
	}
	timer := time.AfterFunc(lastWords, give)
	o.pipes.Wait()
	if timer.Stop() {
		give()
	}
}

// longestLine is what is kept of a line before it is written in parts.
const longestLine = 64 << 10

func (o *output) copy(to io.Writer, from io.Reader, mark string) {
	lines := bufio.NewReaderSize(from, longestLine)
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 {
			o.line(to, mark, line)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (o *output) line(to io.Writer, mark string, line []byte) {
	b := append([]byte(mark), line...)
	if b[len(b)-1] != '\n' {
		b = append(b, '\n')
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	to.Write(b)
}
