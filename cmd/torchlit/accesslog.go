package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"go.uber.org/zap"

	"github.com/torchlit/torchlit/server"
)

// accessLog is where the access log goes: standard output or error, or a file. Lines are written together in the
// background, at the latest after a second. SIGHUP opens the file anew: that is how logrotate and its like take an
// old one away.
type accessLog struct {
	*server.AccessLog
	lines  *lineWriter
	file   *reopenedFile // nil for standard output and error
	hangup chan os.Signal
	wg     sync.WaitGroup
}

// openAccessLog opens the log that --access-log names; it returns nil for off.
func openAccessLog(settings serveSettings, logger *zap.Logger) (*accessLog, error) {
	first, every, err := parseSampling(settings.AccessLogSampling)
	if err != nil {
		return nil, err
	}
	l := &accessLog{}
	var out io.Writer
	switch settings.AccessLog {
	case "", "off":
		return nil, nil
	case "stderr":
		out = os.Stderr
	case "stdout":
		out = os.Stdout
	default:
		if l.file, err = openReopened(settings.AccessLog); err != nil {
			return nil, fmt.Errorf("cannot open the access log: %w; name another file with --access-log", err)
		}
		out = l.file
	}
	l.lines = newLineWriter(out, "the access log", logger)
	l.AccessLog = server.NewAccessLog(l.lines, first, every)
	if l.file != nil {
		l.reopenOnHangup(logger)
	}
	return l, nil
}

func (l *accessLog) reopenOnHangup(logger *zap.Logger) {
	l.hangup = make(chan os.Signal, 1)
	signal.Notify(l.hangup, syscall.SIGHUP)
	l.wg.Go(func() {
		for range l.hangup {
			l.lines.Flush()
			if err := l.file.reopen(); err != nil {
				logger.Warn("cannot open the access log anew; the old file is used on", zap.Error(err))
			}
		}
	})
}

var errLinesLost = errors.New("lines are lost")

// close writes what is left.
func (l *accessLog) close() error {
	if l.hangup != nil {
		signal.Stop(l.hangup)
		close(l.hangup)
		l.wg.Wait()
	}
	var err error
	if !l.lines.Close() {
		err = errLinesLost
	}
	if l.file != nil {
		if cerr := l.file.Close(); err == nil {
			err = cerr
		}
	}
	return err
}

// parseSampling reads "all", or "FIRST:EVERY".
func parseSampling(text string) (first, every int, err error) {
	if text == "all" {
		return 0, 0, nil
	}
	a, b, ok := strings.Cut(text, ":")
	first, err1 := strconv.Atoi(a)
	every, err2 := strconv.Atoi(b)
	if !ok || err1 != nil || err2 != nil || first < 1 || every < 0 {
		return 0, 0, fmt.Errorf("--access-log-sampling is %q; write all, or FIRST:EVERY such as 100:100", text)
	}
	return first, every, nil
}

// reopenedFile is a file that may be renamed by somebody else and begun anew.
type reopenedFile struct {
	path string
	mu   sync.Mutex
	f    *os.File
	torn bool // the last line in it has no end
}

func openReopened(path string) (*reopenedFile, error) {
	r := &reopenedFile{path: path}
	return r, r.reopen()
}

func (r *reopenedFile) reopen() error {
	f, err := os.OpenFile(r.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.f != nil {
		_ = r.f.Close()
	}
	r.f, r.torn = f, false
	return nil
}

// Write writes lines. Of what does not fit on a full disk no half of a line stays.
func (r *reopenedFile) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.torn {
		if _, err := r.f.WriteString("\n"); err != nil {
			return 0, err
		}
		r.torn = false
	}
	n, err := r.f.Write(p)
	if half := p[bytes.LastIndexByte(p[:n], '\n')+1 : n]; err != nil && len(half) > 0 {
		r.torn = !r.cut(int64(len(half)))
	}
	return n, err
}

// cut takes the last n bytes back, unless somebody else has written behind them.
func (r *reopenedFile) cut(n int64) bool {
	at, err := r.f.Seek(0, io.SeekCurrent)
	if err != nil {
		return false
	}
	st, err := r.f.Stat()
	return err == nil && st.Size() == at && r.f.Truncate(at-n) == nil
}

// Close closes the file.
func (r *reopenedFile) Close() error { return r.f.Close() }
