package torch_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
)

// BenchmarkOverhead compares an operator on one element called from Go with the same
// call in a C++ program, in turns, and reports what Go adds. The tensors are made in a
// Scope, as in a training step, and outside, where the garbage collector must know
// each and Close takes it back.
func BenchmarkOverhead(b *testing.B) {
	if err := torch.Available(); err != nil {
		b.Skip(err)
	}
	native := startPeer(b, compileYardstick(b))
	x := torch.Ones([]int64{1}, false)
	defer x.Close()
	const batch = 1000
	inScope := func(n int) {
		for range n / batch {
			torch.Scope(func(keep) {
				for range batch {
					torch.Relu(x)
				}
			})
		}
	}
	closed := func(n int) {
		for range n {
			torch.Relu(x).Close()
		}
	}
	for name, work := range map[string]func(n int){"scope": inScope, "close": closed} {
		b.Run(name, func(b *testing.B) {
			const calls, turns = 50 * batch, 15
			var inGo, inCPP, added []float64
			b.ReportAllocs()
			for b.Loop() {
				for range turns {
					start := time.Now()
					work(calls)
					g := float64(time.Since(start).Nanoseconds()) / calls
					c := native(calls)
					inGo, inCPP, added = append(inGo, g), append(inCPP, c), append(added, g-c)
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(inGo), "go-ns/call")
			b.ReportMetric(median(inCPP), "c++-ns/call")
			b.ReportMetric(median(added), "added-ns/call")
		})
	}
}

// compileYardstick builds testdata/overhead.cc against the libtorch in use.
func compileYardstick(b *testing.B) *exec.Cmd {
	b.Helper()
	lib := libtorchFolder(b)
	program := filepath.Join(b.TempDir(), "overhead")
	out, err := exec.Command("c++", "-std=c++17", "-O2", "-D_GLIBCXX_USE_CXX11_ABI=1", "-isystem", filepath.Join(lib, "include"),
		"testdata/overhead.cc", "-o", program, "-L"+filepath.Join(lib, "lib"), "-ltorch_cpu", "-lc10",
		"-Wl,-rpath,"+filepath.Join(lib, "lib")).CombinedOutput()
	if err != nil {
		b.Fatalf("cannot compile the C++ side: %v\n%s", err, out)
	}
	return exec.Command(program)
}

func libtorchFolder(b *testing.B) string {
	b.Helper()
	if dir := os.Getenv("LIBTORCH"); dir != "" {
		return dir
	}
	dir, err := filepath.Abs("../.deps/libtorch")
	require.NoError(b, err)
	if _, err := os.Stat(filepath.Join(dir, "include")); err != nil {
		b.Skipf("no libtorch to compile against: %v", err)
	}
	return dir
}

// startPeer starts a program that answers each line with a number, and returns the
// function that asks it.
func startPeer(b *testing.B, command *exec.Cmd) func(question any) float64 {
	b.Helper()
	in, err := command.StdinPipe()
	require.NoError(b, err)
	out, err := command.StdoutPipe()
	require.NoError(b, err)
	command.Stderr = os.Stderr
	require.NoError(b, command.Start())
	b.Cleanup(func() { in.Close(); command.Wait() })
	answers := bufio.NewReader(out)
	return func(question any) (answer float64) {
		b.Helper()
		_, err := fmt.Fprintln(in, question)
		require.NoError(b, err)
		line, err := answers.ReadString('\n')
		if err == io.EOF {
			b.Fatalf("%s has ended", command.Path)
		}
		require.NoError(b, err)
		_, err = fmt.Sscan(strings.TrimSpace(line), &answer)
		require.NoError(b, err)
		return answer
	}
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
