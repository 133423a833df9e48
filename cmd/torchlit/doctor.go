package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/predict"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/distributed"
	"github.com/torchlit/torchlit/torch/engine"
	"github.com/torchlit/torchlit/vision"
)

// finding is a line of the doctor's report.
type finding struct {
	mark   string // ok, note or FAIL
	what   string
	found  string
	advice string // what to do, when there is something to do
}

func doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Tell what Torchlit finds on this machine, and what to do about what is missing",
		Long: `Tell what Torchlit finds on this machine, and what to do about what is missing.
It exits with 1 when 'torchlit serve' could not work.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings := examine()
			printFindings(cmd.OutOrStdout(), findings)
			for _, f := range findings {
				if f.mark == "FAIL" {
					return fmt.Errorf("cannot serve: %s: %s", f.what, f.found)
				}
			}
			return nil
		},
	}
}

func examine() []finding {
	list := []finding{
		{"ok", "machine", fmt.Sprintf("%s/%s, %d CPUs", runtime.GOOS, runtime.GOARCH, runtime.NumCPU()), ""},
	}
	list = append(list, examineLibtorch()...)
	return append(list, examineJPEG(), examineModels())
}

func examineLibtorch() []finding {
	if err := torch.Available(); err != nil {
		return []finding{{"FAIL", "libtorch", err.Error(), "run 'make build' in the source folder"}}
	}
	list := []finding{
		{"ok", "libtorch", torch.Version() + " in " + torch.LibraryPath(), ""},
		{"ok", "CPU kernels", torch.CPUCapability(), ""},
		{"ok", "threads", fmt.Sprintf("%d for one operator", torch.NumThreads()), ""},
	}
	if torch.HasFusedConvolution() {
		list = append(list, finding{"ok", "convolutions", "oneDNN, fused with bias, addition and relu", ""})
	} else {
		list = append(list, finding{"note", "convolutions", "plain operators", "this build of libtorch has no fused oneDNN operators; answers are the same, slower"})
	}
	if torch.HasFastBFloat16() {
		list = append(list, finding{"ok", "bfloat16", "in hardware: training in bf16-mixed and serving in bf16 are fast", ""})
	} else {
		list = append(list, finding{"note", "bfloat16", "emulated", "train with trainer.precision=32 on this CPU"})
	}
	list = append(list, examinePrecision()...)
	return append(list, examineCUDA()...)
}

// examinePrecision tells what --precision auto takes, given a model whose accuracy was
// measured, and what it takes for the bundled one.
func examinePrecision() []finding {
	machine, err := predict.Supports()
	if err != nil {
		return []finding{{"note", "int8", err.Error(), ""}}
	}
	list := []finding{{"ok", "int8", "in hardware: serving in int8 is fast", ""}}
	if !machine[predict.Int8].Fast {
		list = []finding{{"note", "int8", "no instructions for it (AVX-512 VNNI, AVX-VNNI or AMX)", "serve in fp32 or bf16 on this CPU"}}
	}
	folder, c, err := bundledCalibration()
	if err != nil {
		return append(list, finding{"note", "precision", err.Error(), ""})
	}
	precision, why, err := predict.ChoosePrecision("auto", machine, c)
	if err != nil {
		return append(list, finding{"note", "precision", err.Error(), ""})
	}
	return append(list, finding{"ok", "precision", fmt.Sprintf("auto is %s for %s: %s", precision, folder, why), ""})
}

// bundledCalibration is that of the model which is served by default.
func bundledCalibration() (dir string, c *predict.Calibration, err error) {
	if dir, err = oneModel(""); err != nil {
		return "", nil, err
	}
	folder, err := modeldir.Open(dir)
	if err != nil {
		return dir, nil, err
	}
	c, err = predict.ParseCalibration(folder.Extras.Int8)
	return filepath.Base(dir), c, err
}

// examineCUDA tells which devices there are to train on, and whether they can train
// together.
func examineCUDA() (list []finding) {
	devices, why := cudaDevices()
	if len(devices) == 0 {
		reason := why.Error()
		if refused := new(torch.Error); errors.As(why, &refused) {
			reason = refused.Text
		}
		return []finding{{"note", "CUDA", reason, "everything runs on the CPU; where there is an NVIDIA GPU, 'make build CUDA=1' in the source folder"}}
	}
	for _, d := range devices {
		list = append(list, finding{"ok", "CUDA", d, ""})
	}
	list = append(list, examineGPUEngine())
	version, err := distributed.OpenNCCL()
	if err != nil {
		return append(list, finding{"note", "NCCL", err.Error(), "one device trains without it; for several install the package nvidia-nccl-cu13"})
	}
	return append(list, finding{"ok", "NCCL", fmt.Sprintf("%d.%d.%d", version/10000, version/100%100, version%100), ""})
}

// examineGPUEngine tells whether GPUs can serve.
func examineGPUEngine() finding {
	if err := engine.LoadCUDA(); err != nil {
		return finding{"note", "GPU engine", err.Error(), "models are served on the CPU; 'make build CUDA=1' in the source folder builds the engine for GPUs"}
	}
	return finding{"ok", "GPU engine", "fp16, bf16 and fp32, with CUDA graphs", ""}
}

func examineJPEG() finding {
	backend := vision.JPEGBackend()
	if strings.Contains(backend, "turbo") {
		return finding{"ok", "JPEG", backend, ""}
	}
	return finding{"note", "JPEG", backend, "install libjpeg-turbo: libturbojpeg0 on Debian and Ubuntu, turbojpeg on Fedora, jpeg-turbo with Homebrew"}
}

func examineModels() finding {
	dir, err := bundled()
	if err != nil {
		return finding{"note", "models", err.Error(), ""}
	}
	entries, err := modeldir.List(dir)
	if err != nil {
		return finding{"note", "models", err.Error(), "mend or remove that folder"}
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name+" version "+e.Version)
	}
	return finding{"ok", "models", strings.Join(names, ", ") + " in " + dir, ""}
}

func printFindings(out io.Writer, findings []finding) {
	for _, f := range findings {
		fmt.Fprintf(out, "%-4s  %-12s  %s\n", f.mark, f.what, f.found)
		if f.advice != "" {
			fmt.Fprintf(out, "%-4s  %-12s  → %s\n", "", "", f.advice)
		}
	}
}
