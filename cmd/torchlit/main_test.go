package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/server/certs/acmetest"
	"github.com/torchlit/torchlit/torch/safetensors"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// The tests run the program as a user does, as a process of its own: this test
// binary becomes torchlit when it is told so, and for decoders, which are told nothing else, by their command.
const becomeTorchlit = "TORCHLIT_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(becomeTorchlit) != "" || len(os.Args) > 1 && os.Args[1] == decodeWorker {
		main()
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(acmetest.Leaves),
		// Two goroutines of fasthttp that outlive its servers; see server/main_test.go.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, args...)
	models, err := filepath.Abs("../../models") // the test's binary has none beside it
	require.NoError(t, err)
	cmd.Env = append(os.Environ(), becomeTorchlit+"=1", "TORCHLIT_SERVER_MODELS="+models)
	return cmd
}

// runCommand runs torchlit to its end.
func runCommand(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := command(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil {
		require.IsType(t, &exec.ExitError{}, err, errs.String())
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// writeModel makes a model folder with random weights.
func writeModel(t testing.TB, architecture string, stem resnet.Stem, classes, side int) string {
	t.Helper()
	spec, err := resnet.Describe(architecture, stem, int64(classes))
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(1, 1))
	var entries []safetensors.Entry
	for _, want := range spec.Tensors() {
		e, err := safetensors.FromFloat32(want.Name, safetensors.F16, want.Shape, randomValues(rng, want))
		require.NoError(t, err)
		entries = append(entries, e)
	}
	folder := &modeldir.Folder{Config: modeldir.DefaultConfig(architecture, classes)}
	if classes == 10 {
		folder.Config.LabelNames = modeldir.CIFAR10Labels()
	}
	folder.Config.Pretrained.InputSize = [3]int{3, side, side}
	folder.Config.Pretrained.Interpolation = "bilinear"
	folder.Extras.Stem = string(stem)
	dir := filepath.Join(t.TempDir(), "random")
	require.NoError(t, modeldir.Write(dir, folder, func(tmp string) error {
		return safetensors.Write(filepath.Join(tmp, modeldir.SafetensorsFile), entries, nil)
	}))
	return dir
}

// randomValues keeps activations near one: convolutions Kaiming-normal,
// normalisations the identity.
func randomValues(rng *rand.Rand, want resnet.Tensor) []float32 {
	n, fanIn := int64(1), int64(1)
	for i, s := range want.Shape {
		n *= s
		if i > 0 {
			fanIn *= s
		}
	}
	values := make([]float32, n)
	identity := len(want.Shape) == 1 && (strings.HasSuffix(want.Name, "weight") || strings.HasSuffix(want.Name, "var"))
	for i := range values {
		switch {
		case identity:
			values[i] = 1
		case len(want.Shape) > 1:
			values[i] = float32(rng.NormFloat64() / math.Sqrt(float64(fanIn)))
		}
	}
	return values
}

// photo makes a JPEG that compresses like a photo: smooth shapes and some grain.
func photo(t testing.TB, width, height int, seed uint64) []byte {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	a, b := rng.Float64()*6, rng.Float64()*6
	for y := range height {
		for x := range width {
			u, v := float64(x)/float64(width), float64(y)/float64(height)
			wave := 0.5 + 0.5*math.Sin(a+9*u+4*v)*math.Cos(b+7*v)
			img.SetRGBA(x, y, color.RGBA{
				R: byte(200*wave) + byte(rng.IntN(24)), G: byte(150*(1-wave)) + byte(rng.IntN(24)),
				B: byte(180 * v), A: 255,
			})
		}
	}
	var out bytes.Buffer
	require.NoError(t, jpeg.Encode(&out, img, &jpeg.Options{Quality: 85}))
	return out.Bytes()
}

// served is a torchlit serve under test.
type served struct {
	url  string
	grpc string // address of the gRPC server; "" when there is none
	cmd  *exec.Cmd
	log  *bytes.Buffer
	done chan error
}

// serveModel starts a server and waits until it is ready. The test must not
// leave it running: it is told to stop at the end, and must exit with 0.
func serveModel(t testing.TB, args ...string) *served {
	t.Helper()
	return serveProgram(t, func(*exec.Cmd) {}, args...)
}

// serveProgram is serveModel of a command that change has changed.
func serveProgram(t testing.TB, change func(*exec.Cmd), args ...string) *served {
	t.Helper()
	s := &served{log: new(bytes.Buffer), done: make(chan error, 1)}
	cmd := command(t, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...)
	change(cmd)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	s.cmd = cmd
	ready := make(chan string, 1)
	go func() {
		s.readLog(stderr, ready)
		s.done <- cmd.Wait()
	}()
	select {
	case s.url = <-ready:
	case err := <-s.done:
		t.Fatalf("the server ended: %v\n%s", err, s.log)
	case <-time.After(2 * time.Minute):
		t.Fatal("the server is not ready after two minutes")
	}
	t.Cleanup(func() { s.stop(t) })
	return s
}

func (s *served) readLog(stderr io.Reader, ready chan<- string) {
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		var line struct {
			Level, Msg, Page, Error string
			GRPCAddr                string `json:"grpc_addr"`
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			s.log.WriteString(lines.Text() + "\n") // the last words of a process
			continue
		}
		if line.GRPCAddr != "" {
			s.grpc = line.GRPCAddr
		}
		if line.Msg == "ready" {
			select {
			case ready <- line.Page:
			default: // of a supervisor's next worker
			}
		}
		s.log.WriteString(line.Level + " " + line.Msg + " " + line.Error + "\n")
	}
}

// stop sends SIGTERM and expects a clean end. Stopping twice does nothing.
func (s *served) stop(t testing.TB) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	s.cmd = nil
	select {
	case err := <-s.done:
		assert.NoError(t, err, s.log.String())
	case <-time.After(time.Minute):
		t.Fatalf("the server does not stop:\n%s", s.log)
	}
}

func TestExitCodes(t *testing.T) {
	f := func(want int, says string, args ...string) {
		t.Helper()
		_, stderr, code := runCommand(t, args...)
		assert.Equal(t, want, code, stderr)
		assert.Contains(t, stderr, says)
	}
	f(0, "", "version")
	f(2, "unknown flag: --nope", "serve", "--nope")
	f(2, `unknown command "srve"`, "srve")
	f(2, "--data is missing", "eval")
	f(2, "name at least one file", "predict")
	f(2, `the nearest is "optim.lr"`, "train", "optim.lrr=1")
	f(2, "trainer.max_epochs=0", "train", "trainer.max_epochs=0")
	f(1, "no such file", "serve", "--models", "/nowhere", "--addr", "127.0.0.1:0")
}

func TestPredictAndEval(t *testing.T) {
	torchtest.Need(t)
	model := writeModel(t, "resnet18", resnet.CIFARStem, 10, 32)
	data := t.TempDir()
	for i, class := range []string{"cat", "dog"} {
		require.NoError(t, os.Mkdir(filepath.Join(data, class), 0o755))
		for j := range 3 {
			path := filepath.Join(data, class, string(rune('a'+j))+".jpg")
			require.NoError(t, os.WriteFile(path, photo(t, 40, 30, uint64(10*i+j)), 0o644))
		}
	}

	out, stderr, code := runCommand(t, "predict", "--model", model, "--json", "--top-k", "3", data)
	require.Zero(t, code, stderr)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 6)
	var answer fileAnswer
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &answer))
	assert.Len(t, answer.Predictions, 3)
	assert.GreaterOrEqual(t, answer.Predictions[0].Probability, answer.Predictions[1].Probability)

	text := filepath.Join(t.TempDir(), "notes.txt")
	require.NoError(t, os.WriteFile(text, []byte("not an image"), 0o644))
	out, stderr, code = runCommand(t, "predict", "--model", model, text, filepath.Join(data, "cat"))
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "cannot classify 1 of 4 files")
	assert.Contains(t, out, "notes.txt")

	out, stderr, code = runCommand(t, "eval", "--model", model, "--data", data, "--json")
	require.Zero(t, code, stderr)
	var report struct {
		Accuracy, ECE *float64
		N             int
		PerClass      []any `json:"per_class"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	assert.Equal(t, 6, report.N)
	assert.Len(t, report.PerClass, 10)
	assert.NotNil(t, report.Accuracy)
	assert.NotNil(t, report.ECE)
}
