package main

import (
	"bytes"
	"fmt"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/torchlit/torchlit/report"
	"github.com/torchlit/torchlit/vision"
)

// writeReport writes the report of an evaluation into the folder dir.
func writeReport(dir string, p *pipeline, data string, a answered) error {
	temperature := 1.0
	if t := p.folder.Extras.Temperature; t != nil {
		temperature = *t
	}
	again := []string{"torchlit", "eval", "--model", p.folder.Dir, "--data", data, "--report", dir}
	if a.skipCorrupt {
		again = append(again, "--skip-corrupt")
	}
	return report.Write(dir, report.Evaluation{
		Model: modelName(p.folder.Dir), Data: data, Created: time.Now(),
		Answers: a.Answers, Files: relativeTo(data, a.files), Temperature: temperature,
		Thumbnail: func(i int) ([]byte, error) { return thumbnail(a.files[i]) },
		Facts:     []report.Facts{modelFacts(p), inputFacts(p), versionFacts()},
		Command:   again,
	})
}

// modelName is what a model folder is called: <name>, or <name>/<version>; the
// model of a training run goes by the run's folder.
func modelName(dir string) string {
	if full, err := filepath.Abs(dir); err == nil {
		dir = full
	}
	base, parent := filepath.Base(dir), filepath.Base(filepath.Dir(dir))
	switch {
	case strings.Trim(base, "0123456789") == "":
		return parent + "/" + base
	case base == "model":
		return filepath.Base(filepath.Dir(filepath.Dir(dir))) + "/" + parent
	}
	return base
}

func relativeTo(dir string, files []string) []string {
	out := make([]string, len(files))
	for i, file := range files {
		out[i] = file
		if short, err := filepath.Rel(dir, file); err == nil {
			out[i] = filepath.ToSlash(short)
		}
	}
	return out
}

// The longer side of a thumbnail, in pixels, and the side up to which a picture
// is embedded without loss: it is as small as a JPEG then, and each pixel counts.
const (
	thumbnailSide = 200
	exactSide     = 64
)

func thumbnail(file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	img, err := vision.Decode(data, vision.Limits{})
	if err != nil {
		return nil, fmt.Errorf("cannot decode %q: %w", file, err)
	}
	small := vision.Thumbnail(img, thumbnailSide)
	img.Release()
	defer small.Release()
	var out bytes.Buffer
	if max(small.Width, small.Height) <= exactSide {
		err = png.Encode(&out, small.RGBA())
	} else {
		err = jpeg.Encode(&out, small.RGBA(), &jpeg.Options{Quality: 82})
	}
	return out.Bytes(), err
}

func modelFacts(p *pipeline) report.Facts {
	config, extras, chosen := p.folder.Config, p.folder.Extras, p.model.Options()
	f := facts{Title: "Model"}
	f.add("folder", p.folder.Dir)
	f.add("architecture", config.Architecture)
	f.add("stem", extras.Stem)
	f.add("weights", fmt.Sprintf("%s, %s", filepath.Base(p.folder.Weights.Path), fileSize(p.folder.Weights.Path)))
	f.add("device", chosen.Device)
	f.add("precision", chosen.Precision)
	f.add("temperature", fmt.Sprintf("%.4g", p.model.Network().Temperature))
	if run := extras.TrainingRun; run != nil {
		f.add("trained on", run.Dataset)
		f.add("epochs", nonZero(run.Epochs))
		f.add("seed", fmt.Sprint(run.Seed))
		f.add("recipe", run.Recipe)
		f.add("commit", run.Commit)
	}
	if extras.Accuracy != nil {
		f.add("stated accuracy", strings.TrimSuffix(fmt.Sprintf("%.2f %% on %s", 100**extras.Accuracy, extras.AccuracyOn), " on "))
	}
	return report.Facts(f)
}

func inputFacts(p *pipeline) report.Facts {
	pre := p.folder.Config.Pretrained
	f := facts{Title: "Preparation of the images"}
	f.add("input", fmt.Sprintf("%d × %d pixels, RGB", pre.InputSize[2], pre.InputSize[1]))
	f.add("interpolation", pre.Interpolation)
	f.add("crop", fmt.Sprintf("%s, %.4g of the resized image", pre.CropMode, pre.CropPct))
	f.add("mean", fmt.Sprintf("%.4g, %.4g, %.4g", pre.Mean[0], pre.Mean[1], pre.Mean[2]))
	f.add("std", fmt.Sprintf("%.4g, %.4g, %.4g", pre.Std[0], pre.Std[1], pre.Std[2]))
	return report.Facts(f)
}

func versionFacts() report.Facts {
	f := facts{Title: "Versions"}
	f.add("torchlit", version)
	f.add("commit", commit)
	f.add("libtorch", libtorchVersion())
	f.add("CUDA", cudaVersion())
	f.add("Go", runtime.Version())
	f.add("machine", fmt.Sprintf("%s/%s, %d CPUs", runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0)))
	return report.Facts(f)
}

// facts leaves out what is not known.
type facts report.Facts

func (f *facts) add(name, value string) {
	if value != "" {
		f.Rows = append(f.Rows, report.Fact{Name: name, Value: value})
	}
}

func nonZero(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func fileSize(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "size unknown"
	}
	return fmt.Sprintf("%.1f MB", float64(info.Size())/1e6)
}
