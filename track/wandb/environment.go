package wandb

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"
)

// environment is what W&B shows of the machine and program of a run.
type environment struct {
	os                  string
	started             time.Time
	args                []string
	program, executable string
	root, host          string
	cores, threads      int
	cpu                 string
	memory              uint64 // bytes
	diskTotal, diskUsed uint64 // bytes, of the file system of "/"
	gpus                []gpu
	git                 gitState
	writer              string
}

// gpu describes one NVIDIA GPU.
type gpu struct {
	name   string
	memory uint64 // bytes
	uuid   string
}

// gitState is the commit of the working directory.
type gitState struct{ remote, commit string }

// survey looks at the machine. What cannot be found out stays empty.
func survey(s *settings, args []string, started time.Time) environment {
	e := environment{started: started.UTC(), args: args, program: "torchlit train", root: s.dir, host: s.host, os: platform(), writer: randomID(32)}
	e.executable, _ = os.Executable()
	if info, err := host.Info(); err == nil {
		e.os = strings.Join([]string{strings.ToUpper(info.OS[:1]) + info.OS[1:], info.KernelVersion, info.KernelArch}, "-")
	}
	e.cores, _ = cpu.Counts(false)
	e.threads, _ = cpu.Counts(true)
	if info, err := cpu.Info(); err == nil && len(info) > 0 {
		e.cpu = info[0].ModelName
	}
	if m, err := mem.VirtualMemory(); err == nil {
		e.memory = m.Total
	}
	if d, err := disk.Usage("/"); err == nil {
		e.diskTotal, e.diskUsed = d.Total, d.Used
	}
	e.gpus = findGPUs(context.Background())
	if s.git {
		e.git = commit()
	}
	return e
}

// platform is the system's name as Python's platform.system and machine give it.
func platform() string {
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = "x86_64"
	}
	if arch == "arm64" && runtime.GOOS == "linux" {
		arch = "aarch64"
	}
	return runtime.GOOS + "-" + arch
}

// commit asks git about the working directory; there may be no git, and no
// repository.
func commit() gitState {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	git := func(args ...string) string {
		out, _ := exec.CommandContext(ctx, "git", args...).Output()
		return strings.TrimSpace(string(out))
	}
	return gitState{commit: git("rev-parse", "HEAD"), remote: withoutPassword(git("remote", "get-url", "origin"))}
}

// withoutPassword removes what people put into a remote's URL to get in.
func withoutPassword(remote string) string {
	u, err := url.Parse(remote)
	if err != nil || u.User == nil {
		return remote // "git@host:path" is no URL, and has no password
	}
	if u.Scheme == "ssh" {
		u.User = url.User(u.User.Username())
	} else {
		u.User = nil
	}
	return u.String()
}

// record is the EnvironmentRecord.
func (e *environment) record() message {
	m := message{}.str(1, e.os).sub(3, timestamp(e.started)).strs(5, e.args).str(6, e.program)
	if e.git.commit != "" {
		m = m.sub(9, message{}.str(1, e.git.remote).str(2, e.git.commit))
	}
	m = m.str(11, e.root).str(12, e.host).str(14, e.executable).num(16, int64(e.cores)).num(17, int64(e.threads))
	if len(e.gpus) > 0 {
		m = m.str(18, e.gpus[0].name).num(19, int64(len(e.gpus)))
	}
	usage := message{}.num(1, int64(e.diskTotal)).num(2, int64(e.diskUsed))
	m = m.sub(20, message{}.str(1, "/").sub(2, usage)).sub(21, message{}.num(1, int64(e.memory))).
		sub(22, message{}.num(1, int64(e.cores)).num(2, int64(e.threads)).str(3, e.cpu))
	for _, g := range e.gpus {
		m = m.sub(24, message{}.str(1, g.name).num(2, int64(g.memory)).str(5, g.uuid))
	}
	return m.str(199, e.writer)
}

// metadata is the same for wandb-metadata.json, in the names that file has.
func (e *environment) metadata() map[string]any {
	m := map[string]any{
		"os": e.os, "startedAt": e.started.Format(time.RFC3339Nano), "args": e.args, "program": e.program,
		"root": e.root, "host": e.host, "executable": e.executable,
		"cpu_count": e.cores, "cpu_count_logical": e.threads, "cpu": map[string]any{"model": e.cpu},
		"memory": map[string]any{"total": e.memory},
		"disk":   map[string]any{"/": map[string]any{"total": e.diskTotal, "used": e.diskUsed}},
	}
	if e.git.commit != "" {
		m["git"] = map[string]any{"remote": e.git.remote, "commit": e.git.commit}
	}
	if len(e.gpus) > 0 {
		m["gpu"], m["gpu_count"] = e.gpus[0].name, len(e.gpus)
	}
	return m
}
