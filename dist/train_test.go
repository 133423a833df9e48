package dist

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/dist/launch"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// What ranks of the tests do, by the value of jobVariable.
var jobs = map[string]func(context.Context) error{
	"mlp":    func(ctx context.Context) error { return trainRank(ctx, "mlp") },
	"resnet": func(ctx context.Context) error { return trainRank(ctx, "resnet") },
	"killed": killedRank,
}

const (
	steps      = 6
	wholeBatch = 8 // images a step, over all ranks
)

// network returns a network, with batch normalisation or without, and its images.
func network(kind string) (nn.Layer, []int64) {
	torch.ManualSeed(3)
	if kind == "mlp" {
		return nn.Chain(nn.Linear(20, 32, true), nn.Functional(torch.Relu), nn.Linear(32, 32, true),
			nn.Functional(torch.Relu), nn.Linear(32, 5, true)), []int64{20}
	}
	spec, err := resnet.Describe("resnet18", resnet.CIFARStem, 5)
	if err != nil {
		panic(err)
	}
	return resnet.New(spec), []int64{3, 16, 16}
}

// train does some steps on this rank's part of the same batches and returns the final
// parameters and buffers.
func train(group Group, kind string) (_ map[string][]byte, err error) {
	torch.SetNumThreads(1)
	net, shape := network(kind)
	defer nn.Close(net)
	if group.Rank() > 0 { // rank 0's count
		torch.NoGrad(func() { net.(interface{ Parameters() []torch.Tensor }).Parameters()[0].FillI(9) })
	}
	m := net.(interface {
		Parameters() []torch.Tensor
		Buffers() []torch.Tensor
	})
	if err := BroadcastParameters(group, m.Parameters(), m.Buffers()); err != nil {
		return nil, err
	}
	stop, err := SyncBatchNorm(group, net)
	if err != nil {
		return nil, err
	}
	defer stop()
	reducer, err := NewReducer(group, m.Parameters(), ReducerOptions{Bucket: 1 << 20})
	if err != nil {
		return nil, err
	}
	defer reducer.Close()
	opt := torch.SGD(0.01, 0.9, 0, 5e-4, true)
	defer opt.Close()
	opt.AddParameters(m.Parameters())

	part := int64(wholeBatch / group.Size())
	for step := range steps {
		torch.ManualSeed(uint64(100 + step))
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			x := torch.RandN(append([]int64{wholeBatch}, shape...), false).Narrow(0, int64(group.Rank())*part, part)
			y := torch.RandInt(0, 5, []int64{wholeBatch}, torch.Options{DType: torch.DType(torch.Long)}).Narrow(0, int64(group.Rank())*part, part)
			torch.CrossEntropyLoss(net.Forward(x), y, torch.Tensor{}, torch.ReduceMean, -100, 0).Backward()
			if err = reducer.Wait(); err == nil {
				opt.Step()
				opt.ZeroGrad()
			}
		})
		if err != nil {
			return nil, err
		}
	}
	state := map[string][]byte{}
	for name, v := range nn.TorchStateDict(net) {
		state[name] = v.Bytes()
	}
	return state, nil
}

// trainRank trains as a rank among others, and writes what came out to a file.
func trainRank(ctx context.Context, kind string) error {
	env, err := FromEnvironment()
	if err != nil {
		return err
	}
	group, err := Open(ctx, env, Options{Timeout: time.Minute, JoinTimeout: time.Minute})
	if err != nil {
		return err
	}
	state, err := train(group, kind)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for name, v := range state {
		fmt.Fprintf(&out, "%s %x\n", name, v)
	}
	path := filepath.Join(os.Getenv("TORCHLIT_DIST_TEST_DIR"), strconv.Itoa(group.Rank()))
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		return err
	}
	return group.Close()
}

func readState(t *testing.T, path string) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	state := map[string][]byte{}
	for line := range strings.Lines(string(text)) {
		var name string
		var value []byte
		_, err := fmt.Sscanf(line, "%s %x", &name, &value)
		require.NoError(t, err)
		state[name] = value
	}
	return state
}

// Two ranks train to the same weights as one does on the whole batch: to the last bit
// between the two, and within rounding against the one, whose sums have another order. The
// bound is relative to how far training moved each tensor: a wrong average, or batch
// normalisation by each rank alone, is off by a good part of that.
func TestTrainTwoRanks(t *testing.T) {
	torchtest.Need(t)
	f := func(t *testing.T, kind string, start func(t *testing.T, job string, dir string)) {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			start(t, kind, dir)
			first, second := readState(t, filepath.Join(dir, "0")), readState(t, filepath.Join(dir, "1"))
			alone, err := train(single{}, kind)
			require.NoError(t, err)
			initial, _ := network(kind)
			defer nn.Close(initial)
			start := nn.TorchStateDict(initial)
			require.Len(t, first, len(alone))
			var worst float64
			for name, want := range alone {
				require.Equal(t, sha256.Sum256(first[name]), sha256.Sum256(second[name]), "%s: ranks differ", name)
				got, want, before := numbers[float32](first[name]), numbers[float32](want), numbers[float32](start[name].Bytes())
				require.Len(t, got, len(want))
				var moved, off float64
				for i := range want {
					moved = max(moved, abs(want[i]-before[i]))
					off = max(off, abs(got[i]-want[i]))
				}
				require.Positive(t, moved, "%s: training did not change it", name)
				worst = max(worst, off/moved)
			}
			t.Logf("%s: weights differ by at most %.1e of what training moved them", kind, worst)
			assert.Less(t, worst, map[string]float64{"mlp": 1e-4, "resnet": 5e-3}[kind])
		})
	}
	f(t, "mlp", withLaunch)
	f(t, "resnet", withLaunch)
	t.Run("mpi", func(t *testing.T) {
		needMPI(t)
		f(t, "mlp", withMPI)
		f(t, "resnet", withMPI)
	})
}

func abs(x float32) float64 { return float64(max(x, -x)) }

func withLaunch(t *testing.T, job, dir string) {
	t.Helper()
	t.Setenv("TORCHLIT_DIST_TEST_DIR", dir)
	out, err := launched(t, job, 2)
	require.NoError(t, err, out)
}

// launched runs a job as 'torchlit launch' would, and returns what the ranks wrote.
func launched(t *testing.T, job string, ranks int) (string, error) {
	t.Helper()
	t.Setenv(jobVariable, job)
	var out lockedBuffer
	err := launch.Run(t.Context(), launch.Config{
		Command: []string{os.Args[0]}, NProc: ranks, Stdout: &out, Stderr: &out, Grace: 20 * time.Second,
	})
	return out.String(), err
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func withMPI(t *testing.T, job, dir string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "mpirun", "-np", "2", "--allow-run-as-root", "--oversubscribe",
		"-x", jobVariable, "-x", "TORCHLIT_DIST_TEST_DIR", os.Args[0])
	cmd.Env = append(os.Environ(), jobVariable+"="+job, "TORCHLIT_DIST_TEST_DIR="+dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Empty(t, string(out), "MPI has nothing to complain about")
}

// needMPI sees to it that there is an mpirun and Torchlit's library for it. As root on
// Debian or Ubuntu it installs OpenMPI, as .ci/run does.
func needMPI(t *testing.T) {
	t.Helper()
	root := filepath.Join("..", ".deps", "native", "libtorchlit_mpi.so")
	_, missing := os.Stat(root)
	if _, err := exec.LookPath("mpirun"); err == nil && missing == nil {
		return
	}
	if _, err := exec.LookPath("mpicc"); err != nil {
		if _, err := exec.LookPath("apt-get"); err != nil || os.Getuid() != 0 {
			torchtest.Skip(t, "there is no OpenMPI, and only root on Debian or Ubuntu gets it installed: apt-get install openmpi-bin libopenmpi-dev")
		}
		install := exec.CommandContext(t.Context(), "sh", "-c",
			"apt-get install -y -q --no-install-recommends openmpi-bin libopenmpi-dev || (apt-get update -q && apt-get install -y -q --no-install-recommends openmpi-bin libopenmpi-dev)")
		install.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := install.CombinedOutput(); err != nil {
			torchtest.Skip(t, fmt.Sprintf("cannot install OpenMPI: %v\n%s", err, out))
		}
	}
	cmd := exec.CommandContext(t.Context(), "make", "native")
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

// killedRank trains without end; rank 1 is killed in its third step.
func killedRank(ctx context.Context) error {
	signal.Ignore(syscall.SIGTERM) // the launcher's, which would be quicker than the news
	env, err := FromEnvironment()
	if err != nil {
		return err
	}
	group, err := Open(ctx, env, Options{Timeout: time.Minute})
	if err != nil {
		return err
	}
	defer group.Close()
	net, shape := network("mlp")
	params := net.(interface{ Parameters() []torch.Tensor }).Parameters()
	reducer, err := NewReducer(group, params, ReducerOptions{})
	if err != nil {
		return err
	}
	defer reducer.Close()
	for step := 0; ; step++ {
		if step == 3 && group.Rank() == 1 {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		backward(net, torch.RandN(append([]int64{4}, shape...), false))
		if err := reducer.Wait(); err != nil {
			return err
		}
		torch.ClearGrads(params)
	}
}

// When a rank is killed, the others fail within seconds, and say which one it was; the
// launcher ends with that one's exit code.
func TestKilledRank(t *testing.T) {
	torchtest.Need(t)
	start := time.Now()
	out, err := launched(t, "killed", 3)
	var failed *launch.ExitError
	require.ErrorAs(t, err, &failed, out)
	assert.Equal(t, 128+int(syscall.SIGKILL), failed.Code)
	assert.Equal(t, 1, failed.Rank)
	for _, rank := range []int{0, 2} {
		assert.Contains(t, out, fmt.Sprintf("[rank %d] failed: cannot average gradients over the ranks: lost rank 1: ", rank))
	}
	assert.Less(t, time.Since(start), 15*time.Second)
}
