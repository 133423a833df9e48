package wandb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/torchlit/torchlit/track"
)

// Uploading is the work of W&B's own client. `wandb beta sync --live` follows the
// log while it is written and ends with the run; a client that is too old for it
// ends at once, and then `wandb sync` does all of it at the end.

// upload is the upload of a run, in the background. A nil upload does nothing.
type upload struct {
	command string   // the wandb command
	older   []string // folders of earlier parts of the run that are not uploaded yet
	dir     string   // this part's folder
	resumed bool     // this part goes behind others
	cancel  func()
	done    chan error // has what follow returned
}

// startUpload begins the upload if there is to be one. That there is no wandb
// command is worth one warning: the run is safe on disk.
func (r *run) startUpload() {
	if r.settings.mode != modeOnline {
		return
	}
	command, err := exec.LookPath("wandb")
	if err != nil {
		r.info.Warnf("cannot upload the run to W&B: there is no wandb command; upload it later from this machine with: pip install wandb && wandb sync %s", r.dir)
		return
	}
	u := &upload{command: command, dir: r.dir, resumed: r.settings.resume, done: make(chan error, 1)}
	u.older = slices.DeleteFunc(slices.Clone(r.older), synced)
	ctx, cancel := context.WithCancel(context.Background())
	u.cancel = cancel
	go func() {
		// A process's parent, to Linux, is the thread that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		u.done <- u.follow(ctx)
	}()
	r.upload = u
}

// follow uploads what a run that was killed left behind, so that the server has
// it when this part asks to resume, and then follows this part until its log has
// the exit record.
func (u *upload) follow(ctx context.Context) error {
	if len(u.older) > 0 {
		if err := u.wandb(ctx, append([]string{"sync"}, u.older...)...); err != nil {
			return err
		}
	}
	return u.wandb(ctx, "beta", "sync", "--live", u.dir)
}

// giveUp has the upload no longer follow the log; finish uploads what there is.
func (u *upload) giveUp() {
	if u != nil {
		u.cancel()
	}
}

// finish waits until the run is uploaded, or the time is over. Called after the
// log is closed.
func (u *upload) finish(run track.Run, timeout time.Duration) {
	if u == nil {
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), timeout)
	defer stop()
	defer context.AfterFunc(ctx, u.cancel)()
	err := <-u.done
	left := append(slices.DeleteFunc(slices.Clone(u.older), synced), u.dir)
	if err != nil { // wandb is too old to do it live, or lost the network
		if err = u.canAppend(ctx); err == nil {
			err = u.wandb(ctx, append([]string{"sync"}, left...)...) // in the order of their beginning
		}
	}
	switch {
	case ctx.Err() != nil:
		err = fmt.Errorf("it takes more than %.0f s", timeout.Seconds())
	case err == nil && !synced(u.dir):
		err = errors.New("wandb did not upload everything")
	}
	if err != nil {
		run.Warnf("cannot upload the run to W&B: %v%s; see %s, and upload it later with: wandb sync %s",
			err, u.lastWords(), u.logPath(), strings.Join(left, " "))
	}
}

// canAppend refuses to upload a resumed part with a client that does not know of
// them, and would replace what the parts before it uploaded.
func (u *upload) canAppend(ctx context.Context) error {
	if !u.resumed {
		return nil
	}
	cmd := exec.CommandContext(ctx, u.command, "--version")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	var v [3]int
	if _, err := fmt.Sscanf(string(out), "wandb, version %d.%d.%d", &v[0], &v[1], &v[2]); err != nil {
		return fmt.Errorf("wandb --version says %q", out)
	}
	if slices.Compare(v[:], []int{0, 28, 1}) < 0 {
		return fmt.Errorf("wandb %d.%d.%d would write a resumed run over its first part: pip install -U wandb", v[0], v[1], v[2])
	}
	return nil
}

// synced looks for the mark that wandb leaves beside an uploaded log.
func synced(dir string) bool {
	marks, _ := filepath.Glob(filepath.Join(dir, "*.wandb.synced"))
	return len(marks) > 0
}

// wandb runs the command to its end, or that of ctx. It prints into logs/.
func (u *upload) wandb(ctx context.Context, args ...string) error {
	log, err := os.OpenFile(u.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, u.command, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = filepath.Join(u.dir, "logs") // it writes more of them where it is
	cmd.Env = uploadEnv(os.Environ())
	cmd.WaitDelay = 5 * time.Second
	cmd.Cancel = func() error { return kill(cmd) }
	ownGroup(cmd)
	return cmd.Run()
}

func (u *upload) logPath() string { return filepath.Join(u.dir, "logs", "sync.log") }

// lastWords is the last line that wandb printed, in which there is never the key.
func (u *upload) lastWords() string {
	data, err := os.ReadFile(u.logPath())
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	if err != nil || last == "" {
		return ""
	}
	if key := os.Getenv("WANDB_API_KEY"); key != "" {
		last = strings.ReplaceAll(last, key, "***")
	}
	return ": " + last[:min(len(last), 300)]
}

// uploadEnv is the environment for wandb, without what would have it mistake the
// settings of the run in the log.
func uploadEnv(env []string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return slices.Contains([]string{"WANDB_MODE", "WANDB_DISABLED", "WANDB_RUN_ID", "WANDB_RESUME", "WANDB_DIR", "WANDB_SERVICE"}, name)
	})
	return append(env, "WANDB_SILENT=false", "PYTHONUNBUFFERED=1")
}
