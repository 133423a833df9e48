package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/torchlit/torchlit/tools/deps/internal/manifest"
)

// Pip returns a downloader that runs "python -m pip download".
//
// pip knows what we would otherwise have to learn: mirrors, proxies, certificates
// and logins as the user configured them. Its cache is off, because it would keep a
// second copy of half a gigabyte. What it says goes to log, with a progress bar when
// log is a terminal.
func Pip(python string, log *os.File) func(ctx context.Context, w manifest.Wheel, into string) error {
	return func(ctx context.Context, w manifest.Wheel, into string) error {
		tags, err := w.Tags()
		if err != nil {
			return err
		}
		args := append([]string{"-m", "pip", "download", "--disable-pip-version-check", "--no-cache-dir",
			"--no-input", "--retries", "2", "--timeout", "30", "--dest", into}, tags.PipArgs()...)
		cmd := exec.CommandContext(ctx, python, args...)
		cmd.WaitDelay = 5 * time.Second
		var said bytes.Buffer
		cmd.Stdout = log
		cmd.Stderr = io.MultiWriter(log, &said)
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("pip: %w", explain(err, said.String()))
		}
		return nil
	}
}

// brokenLink finds the cause in pip's warning about a lost connection. The words of the
// system stand in the innermost of several nested Python errors.
var brokenLink = regexp.MustCompile(`connection broken by '(?:.*(?:Failed to establish a new connection: |\(')([^']+)'|(.*)')`)

// explain replaces "exit status 1" by the cause that pip printed. When the network is
// away, pip's last line says that no version exists; the warning above it is the truth.
func explain(err error, stderr string) error {
	if m := brokenLink.FindStringSubmatch(stderr); m != nil {
		return errors.New(m[1] + m[2])
	}
	for line := range strings.SplitSeq(stderr, "\n") {
		if cause, ok := strings.CutPrefix(strings.TrimSpace(line), "ERROR: "); ok {
			return errors.New(cause)
		}
	}
	return err
}
