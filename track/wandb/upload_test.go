//go:build unix

package wandb

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/torchlit/torchlit/track"
)

// command puts a shell script on PATH under a name, beside the system's own commands.
func command(t *testing.T, name, script string) {
	t.Helper()
	bin := t.TempDir()
	path := filepath.Join(bin, name)
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755))
	t.Setenv("PATH", bin+":/usr/bin:/bin")
}

// online runs a whole run with a script in place of wandb, and returns what was
// warned of and what the script wrote to $CALLS.
func online(t *testing.T, script string, timeout time.Duration) (warnings []string, calls string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "calls")
	write(t, out, "")
	t.Setenv("CALLS", out)
	command(t, "wandb", script)
	r := start(t, Options{Mode: modeOnline, ID: "r", StatsInterval: -1, UploadTimeout: timeout}, track.Run{
		Dir: t.TempDir(), Warn: func(s string) { warnings = append(warnings, s) },
	})
	require.NoError(t, r.Finish(track.StatusFinished, nil))
	return warnings, strings.ReplaceAll(read(t, out), r.dir, "DIR")
}

func TestUpload(t *testing.T) {
	warnings, calls := online(t, `echo "$@" >>$CALLS; for dir; do :; done; touch $dir/run-r.wandb.synced`, time.Minute)
	require.Empty(t, warnings)
	require.Equal(t, "beta sync --live DIR\n", calls)
}

// TestUploadByOldClient has a wandb without `beta sync`.
func TestUploadByOldClient(t *testing.T) {
	warnings, calls := online(t, `echo "$@" >>$CALLS; test $1 = sync && touch $2/run-r.wandb.synced`, time.Minute)
	require.Empty(t, warnings)
	require.Equal(t, "beta sync --live DIR\nsync DIR\n", calls)
}

// TestUploadOfResumedRun has clients without `beta sync`, one of which also takes a
// resumed part for a whole run.
func TestUploadOfResumedRun(t *testing.T) {
	f := func(version string, wantCalls int, wantWarning string) {
		t.Helper()
		out := filepath.Join(t.TempDir(), "calls")
		write(t, out, "")
		t.Setenv("CALLS", out)
		command(t, "wandb", `case $1 in
--version) echo "wandb, version `+version+`";;
sync) echo "$@" >>$CALLS; shift; for dir; do touch $dir/run-r.wandb.synced; done;;
*) exit 2;;
esac`)
		info := track.Run{Dir: t.TempDir()}
		opts := Options{Mode: modeOffline, ID: "r", StatsInterval: -1}
		first := start(t, opts, info)
		first.kill()
		var warnings []string
		info.Resumed, info.Warn = true, func(s string) { warnings = append(warnings, s) }
		opts.Mode = modeOnline
		second := start(t, opts, info)
		require.NoError(t, second.Finish(track.StatusFinished, nil))
		calls := strings.Split(strings.TrimSpace(read(t, out)), "\n")
		require.Len(t, calls, wantCalls)
		require.Equal(t, "sync "+first.dir, calls[0])
		if wantWarning == "" {
			require.Empty(t, warnings)
			require.Equal(t, "sync "+second.dir, calls[1])
			return
		}
		require.Len(t, warnings, 1)
		require.Contains(t, warnings[0], wantWarning)
	}
	f("0.28.1", 2, "")
	f("1.0.0rc1", 2, "")
	f("0.22.3", 1, "wandb 0.22.3 would write a resumed run over its first part: pip install -U wandb")
	f("unknown", 1, "wandb --version says")
}

func TestUploadFails(t *testing.T) {
	f := func(script string, timeout time.Duration, want ...string) {
		t.Helper()
		warnings, _ := online(t, script, timeout)
		require.Len(t, warnings, 1)
		for _, w := range append(want, "sync.log", "upload it later with: wandb sync /") {
			require.Contains(t, warnings[0], w)
		}
		require.NotContains(t, warnings[0], testSecret)
	}
	t.Setenv("WANDB_API_KEY", testSecret)
	f("echo no network with $WANDB_API_KEY >&2; exit 3", time.Minute, "exit status 3", "no network with ***")
	f("exit 0", time.Minute, "did not upload everything")
	start := time.Now()
	f("sleep 300", 100*time.Millisecond, "it takes more than 0 s")
	require.Less(t, time.Since(start), 5*time.Second)
}

const testSecret = "0123456789abcdef0123456789abcdef01234567"

func TestUploadWithoutClient(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var warnings []string
	r := start(t, Options{Mode: modeOnline, StatsInterval: -1}, track.Run{Dir: t.TempDir(), Warn: func(s string) { warnings = append(warnings, s) }})
	require.NoError(t, r.Finish(track.StatusFinished, nil))
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0], "there is no wandb command")
	require.Contains(t, warnings[0], "wandb sync "+r.dir)
}

// TestUploadOfBrokenLog ends a run whose end cannot be written: the upload that
// follows the log is not waited for.
func TestUploadOfBrokenLog(t *testing.T) {
	command(t, "wandb", `test $1 = beta && exec sleep 300; touch $2/run-r.wandb.synced`)
	r := start(t, Options{Mode: modeOnline, ID: "r", StatsInterval: -1}, track.Run{Dir: t.TempDir(), Warn: func(s string) { t.Error(s) }})
	require.NoError(t, r.log.file.Close())
	begun := time.Now()
	require.ErrorIs(t, r.Finish(track.StatusFinished, nil), os.ErrClosed)
	require.Less(t, time.Since(begun), 10*time.Second)
}

func TestUploadEnvironment(t *testing.T) {
	env := uploadEnv([]string{"HOME=/h", "WANDB_API_KEY=k", "WANDB_MODE=offline", "WANDB_RUN_ID=x", "WANDB_RESUME=must", "WANDB_DIR=/d"})
	require.Subset(t, env, []string{"HOME=/h", "WANDB_API_KEY=k"})
	for _, e := range env {
		require.NotContains(t, []string{"WANDB_MODE", "WANDB_RUN_ID", "WANDB_RESUME", "WANDB_DIR"}, strings.Split(e, "=")[0])
	}
}

// TestUploadEndsWithItsParent kills a process that uploads: what follows its log
// must not wait for the end of it for ever.
func TestUploadEndsWithItsParent(t *testing.T) {
	if os.Getenv("TORCHLIT_TEST_UPLOADER") != "" {
		start(t, Options{Mode: modeOnline, StatsInterval: -1}, track.Run{Dir: t.TempDir()})
		time.Sleep(time.Minute) // killed meanwhile
	}
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("only Linux ends a process with its parent")
	}
	pidFile := filepath.Join(t.TempDir(), "pid")
	command(t, "wandb", `echo $$ >$PID_FILE.tmp; mv $PID_FILE.tmp $PID_FILE; exec sleep 60`)
	self := exec.Command(os.Args[0], "-test.run=^TestUploadEndsWithItsParent$")
	self.Env = append(os.Environ(), "TORCHLIT_TEST_UPLOADER=1", "PID_FILE="+pidFile)
	require.NoError(t, self.Start())
	var pid int
	require.Eventually(t, func() bool {
		data, err := os.ReadFile(pidFile)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(data)))
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)
	require.NoError(t, syscall.Kill(pid, 0))
	require.NoError(t, self.Process.Kill())
	self.Wait() // killed
	require.Eventually(t, func() bool { return syscall.Kill(pid, 0) != nil || zombie(pid) }, 20*time.Second, 10*time.Millisecond)
}

// zombie says that a process has ended and nobody has asked for its status.
func zombie(pid int) bool {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err != nil || strings.Contains(string(data), ") Z ")
}

func TestGPUs(t *testing.T) {
	command(t, "nvidia-smi", `case $1 in
--query-gpu=name*) echo "NVIDIA H200, 143771, GPU-1"; echo "Tesla T4, [N/A], GPU-2";;
*) echo "97, 41, 1024, 4096, 55, 350.5, 700.00, 1980, 3201"; echo "0, 0, [N/A], 15360, 40, [Not Supported], [Not Supported], [N/A], 405";;
esac`)
	require.Equal(t, []gpu{{"NVIDIA H200", 143771 << 20, "GPU-1"}, {"Tesla T4", 0, "GPU-2"}}, findGPUs(t.Context()))
	got := map[string]string{}
	for _, p := range gpuStats(t.Context()) {
		got[p.key] = p.json
	}
	require.Equal(t, map[string]string{
		"gpu.0.gpu": "97", "gpu.0.memory": "41", "gpu.0.memoryAllocatedBytes": "1.073741824e+09", "gpu.0.memoryAllocated": "25",
		"gpu.0.temp": "55", "gpu.0.powerWatts": "350.5", "gpu.0.enforcedPowerLimitWatts": "700", "gpu.0.powerPercent": jsonNumber(100 * 350.5 / 700),
		"gpu.0.smClock": "1980", "gpu.0.memoryClock": "3201",
		"gpu.1.gpu": "0", "gpu.1.memory": "0", "gpu.1.temp": "40", "gpu.1.memoryClock": "405",
	}, got)
	command(t, "nvidia-smi", "exit 9")
	require.Empty(t, findGPUs(t.Context()))
	require.Empty(t, gpuStats(t.Context()))
}
