package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/torchlit/torchlit/server"
)

// accessLog is where the access log goes: standard output or error, or a file. Lines are written together, at the latest
// after a second. SIGHUP opens the file anew: that is how logrotate and its like take an old one away.
type accessLog struct {
	*server.AccessLog
	buffer *zapcore.BufferedWriteSyncer
	file   *reopenedFile // nil for standard output and error
	hangup chan os.Signal
	wg     sync.WaitGroup
}

const (
	accessLogFlush = time.Second
	accessLogSize  = 256 << 10
)

// openAccessLog opens the log that --access-log names; it returns nil for off.
func openAccessLog(settings serveSettings, logger *zap.Logger) (*accessLog, error) {
	first, every, err := parseSampling(settings.AccessLogSampling)
	if err != nil {
		return nil, err
	}
	l := &accessLog{}
	var out zapcore.WriteSyncer
	switch settings.AccessLog {
	case "", "off":
		return nil, nil
	case "stderr":
		out = unsynced{os.Stderr}
	case "stdout":
		out = unsynced{os.Stdout}
	default:
		if l.file, err = openReopened(settings.AccessLog); err != nil {
			return nil, fmt.Errorf("cannot open the access log: %w; name another file with --access-log", err)
		}
		out = l.file
	}
	l.buffer = &zapcore.BufferedWriteSyncer{WS: out, Size: accessLogSize, FlushInterval: accessLogFlush}
	l.AccessLog = server.NewAccessLog(l.buffer, first, every)
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
			if err := l.buffer.Sync(); err != nil {
				logger.Warn("cannot write the access log", zap.Error(err))
			}
			if err := l.file.reopen(); err != nil {
				logger.Warn("cannot open the access log anew; the old file is used on", zap.Error(err))
			}
		}
	})
}

// close writes what is left.
func (l *accessLog) close() error {
	if l.hangup != nil {
		signal.Stop(l.hangup)
		close(l.hangup)
		l.wg.Wait()
	}
	err := l.buffer.Stop()
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

// unsynced is a terminal or a pipe, which cannot be synced.
type unsynced struct{ *os.File }

func (unsynced) Sync() error { return nil }

// reopenedFile is a file that may be renamed by somebody else and begun anew.
type reopenedFile struct {
	path string
	mu   sync.Mutex
	f    *os.File
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
	r.f = f
	return nil
}

// Write implements zapcore.WriteSyncer.
func (r *reopenedFile) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.f.Write(p)
}

// Sync leaves it to the system when lines reach the disk.
func (r *reopenedFile) Sync() error { return nil }

// Close closes the file.
func (r *reopenedFile) Close() error { return r.f.Close() }
