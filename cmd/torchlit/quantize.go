package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/predict"
	"github.com/torchlit/torchlit/vision"
)

// int8Flags are the flags of export that make a model ready for int8.
type int8Flags struct {
	on        bool
	calibrate string
	data      string
	method    string
	first     string
	images    int
	checked   int
	maxFall   float64 // points
}

// firstLayerGain is how much accuracy, as a ratio, the first layer in floating point
// must gain to be kept so. It costs a few hundredths of the speed.
const firstLayerGain = 0.001

func (f *int8Flags) register(flags *pflag.FlagSet) {
	flags.BoolVar(&f.on, "int8", false, "calibrate the model for int8")
	flags.StringVar(&f.calibrate, "calibrate", "", "with --int8: folder of images to calibrate with, one subfolder a class")
	flags.StringVar(&f.data, "data", "", "with --int8: such a folder to measure accuracy on (default: the other images of --calibrate)")
	flags.StringVar(&f.method, "calibrate-method", predict.MSE, "how ranges are chosen: mse, percentile or minmax")
	flags.StringVar(&f.first, "first-layer", "auto", "int8, or float to keep it in higher precision; auto for float where that gains accuracy")
	flags.IntVar(&f.images, "calibrate-images", 512, "images to calibrate with, spread over the folder")
	flags.IntVar(&f.checked, "check-images", 5000, "most images to measure accuracy on; 0 for all")
	flags.Float64Var(&f.maxFall, "max-accuracy-drop", 0.5, "points of accuracy that int8 may lose against fp32")
}

func (f int8Flags) check() error {
	switch {
	case !f.on && (f.calibrate != "" || f.data != ""):
		return errors.New("--calibrate and --data are for --int8")
	case !f.on:
		return nil
	case f.calibrate == "":
		return errors.New("--calibrate is missing: name a folder with images like those that the model will see, one subfolder a class")
	case f.images < 1 || f.checked < 0:
		return errors.New("--calibrate-images must be at least 1, --check-images at least 0")
	case !(f.maxFall >= 0 && f.maxFall <= 100):
		return errors.New("--max-accuracy-drop is in points, from 0 to 100")
	case !slices.Contains([]string{predict.MSE, predict.Percentile, predict.MinMax}, f.method):
		return fmt.Errorf("--calibrate-method=%s: give mse, percentile or minmax", f.method)
	case !slices.Contains([]string{"auto", "int8", "float"}, f.first):
		return fmt.Errorf("--first-layer=%s: give auto, int8 or float", f.first)
	}
	return nil
}

// checkBatch is enough to keep all CPUs busy, and soon warm.
const checkBatch = 8

// labelled is a list of images with their classes.
type labelled struct {
	files  []string
	labels []int64
}

// spread returns count of the images, evenly spread over the list, which is by class,
// and the others.
func (l labelled) spread(count int) (taken, rest labelled) {
	count = min(count, len(l.files))
	for i := range l.files {
		to := &rest
		if i*count/len(l.files) != (i+1)*count/len(l.files) {
			to = &taken
		}
		to.files, to.labels = append(to.files, l.files[i]), append(to.labels, l.labels[i])
	}
	return taken, rest
}

// quantize calibrates the model folder dir, tells out what int8 costs, and returns the
// calibration for torchlit.json. It is an error if int8 costs more than allowed.
func (f int8Flags) quantize(ctx context.Context, out io.Writer, dir string) (json.RawMessage, error) {
	folder, err := modeldir.Open(dir)
	if err != nil {
		return nil, err
	}
	calibration, check, err := f.split(folder.Labels())
	if err != nil {
		return nil, err
	}
	images, err := decodeAll(ctx, folder.Preprocess(), calibration.files)
	if err != nil {
		return nil, err
	}
	candidates := map[string]*predict.Calibration{}
	for _, first := range []string{"int8", "float"} {
		if f.first != "auto" && f.first != first {
			continue
		}
		c, err := predict.CalibrateFolder(folder, images, f.method, first == "float")
		if err != nil {
			return nil, err
		}
		candidates[first] = c
	}
	best, err := f.compare(ctx, out, folder, candidates, check)
	if err != nil {
		return nil, err
	}
	return json.Marshal(best)
}

// split finds the images to calibrate with and those to check with.
func (f int8Flags) split(classes []string) (calibration, check labelled, err error) {
	list := func(dir string) (labelled, error) {
		l, err := dataset.List(dir, classes)
		if err != nil {
			return labelled{}, fmt.Errorf("cannot calibrate: %w", err)
		}
		return labelled{l.Files, l.Labels}, nil
	}
	all, err := list(f.calibrate)
	if err != nil {
		return calibration, check, err
	}
	calibration, check = all.spread(f.images)
	if f.data != "" {
		if check, err = list(f.data); err != nil {
			return calibration, check, err
		}
	}
	if len(check.files) == 0 {
		return calibration, check, fmt.Errorf("cannot tell what int8 costs: all %d images of %q are for calibrating; lower --calibrate-images, or name others with --data",
			len(all.files), f.calibrate)
	}
	if f.checked > 0 {
		check, _ = check.spread(f.checked)
	}
	return calibration, check, nil
}

// decodeAll brings images into the model's input form, many at once.
func decodeAll(ctx context.Context, p vision.Preprocess, files []string) ([][]byte, error) {
	p.Exact = true // activations reach as far as whole pictures make them
	images := make([][]byte, len(files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for i, file := range files {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			data, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("cannot calibrate: %w", err)
			}
			images[i] = make([]byte, p.Size())
			if err := p.Read(data, vision.Limits{}, predict.Resize, images[i]); err != nil {
				return fmt.Errorf("cannot calibrate with %q: %w", file, err)
			}
			return nil
		})
	}
	return images, group.Wait()
}

// compare measures all precisions on the same images and picks among the candidates.
func (f int8Flags) compare(ctx context.Context, out io.Writer, folder *modeldir.Folder, candidates map[string]*predict.Calibration, check labelled) (*predict.Calibration, error) {
	machine, err := predict.Supports()
	if err != nil {
		return nil, err
	}
	if !machine[predict.Int8].Runs {
		return nil, errors.New("cannot tell what int8 costs: this CPU or this libtorch cannot run it; export on an x86-64 machine")
	}
	accuracy := predict.Accuracy{Images: len(check.files)}
	if accuracy.FP32, err = top1(ctx, folder, predict.FP32, nil, check); err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "fp32  %.2f %%  on %d images\n", 100*accuracy.FP32, accuracy.Images)
	if machine[predict.BF16].Runs {
		if accuracy.BF16, err = top1(ctx, folder, predict.BF16, nil, check); err != nil {
			return nil, err
		}
		fmt.Fprintf(out, "bf16  %.2f %%\n", 100*accuracy.BF16)
	}
	var best *predict.Calibration
	for _, first := range []string{"int8", "float"} {
		c := candidates[first]
		if c == nil {
			continue
		}
		c.Accuracy = accuracy
		if c.Accuracy.Int8, err = top1(ctx, folder, predict.Int8, c, check); err != nil {
			return nil, err
		}
		fmt.Fprintf(out, "int8  %.2f %%  first layer in %s, ranges of %d images by %s\n", 100*c.Accuracy.Int8, first, c.Images, c.Method)
		if best == nil || c.Accuracy.Int8 >= best.Accuracy.Int8+firstLayerGain {
			best = c
		}
	}
	if fall := 100 * (accuracy.FP32 - best.Accuracy.Int8); fall > f.maxFall {
		return nil, fmt.Errorf("cannot make an int8 model: accuracy falls by %.2f points, %.2f are allowed; calibrate with more images that are like those the model will see (--calibrate-images), try --calibrate-method percentile, or allow more with --max-accuracy-drop",
			fall, f.maxFall)
	}
	return best, nil
}

// top1 is the share of images whose most probable class is theirs.
func top1(ctx context.Context, folder *modeldir.Folder, precision string, c *predict.Calibration, images labelled) (float64, error) {
	with := *folder
	with.Extras.Int8 = nil
	if c != nil {
		var err error
		if with.Extras.Int8, err = json.Marshal(c); err != nil {
			return 0, err
		}
	}
	p, err := openFolder(&with, predict.Options{Precision: precision, MaxBatch: checkBatch}, queueSettings{max: inFlight}, batching.Observer{})
	if err != nil {
		return 0, err
	}
	defer p.close(context.Background())
	right := make([]bool, len(images.files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for i, file := range images.files {
		group.Go(func() error {
			probabilities, err := answerFile(ctx, p, file)
			if err != nil {
				return err
			}
			right[i] = slices.Index(probabilities, slices.Max(probabilities)) == int(images.labels[i])
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	count := 0
	for _, r := range right {
		if r {
			count++
		}
	}
	return float64(count) / float64(len(right)), nil
}
