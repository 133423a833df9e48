package predict

import (
	"fmt"

	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/torch/vision/resnet"
	"github.com/torchlit/torchlit/torch/weights"
)

// Open makes the model folder dir ready to serve. The errors name the file, key
// or tensor that is wrong. The caller closes the model.
func Open(dir string, opts Options) (*Model, error) {
	folder, err := modeldir.Open(dir)
	if err != nil {
		return nil, err
	}
	return OpenFolder(folder, opts)
}

// OpenFolder is Open for a folder that was read before.
func OpenFolder(folder *modeldir.Folder, opts Options) (*Model, error) {
	if folder.Weights.Format == modeldir.TorchScript {
		return openScriptModel(folder, opts)
	}
	n, file, err := networkOf(folder)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	m, err := New(n, opts)
	if err != nil {
		return nil, fmt.Errorf("cannot serve model folder %q: %w", folder.Dir, err)
	}
	m.folder = folder
	return m, nil
}

// networkOf reads a folder with a ResNet. The caller closes the file, which the
// network's weights are read from.
func networkOf(folder *modeldir.Folder) (n Network, file *weights.File, err error) {
	spec, err := resnet.Describe(folder.Config.Architecture, resnet.Stem(folder.Extras.Stem), int64(folder.Config.NumClasses))
	if err != nil {
		return n, nil, fmt.Errorf("cannot serve model folder %q: %w", folder.Dir, err)
	}
	p := folder.Preprocess()
	n = Network{Spec: spec, Width: p.Width, Height: p.Height, Mean: p.Mean, Std: p.Std}
	if t := folder.Extras.Temperature; t != nil {
		n.Temperature = *t
	}
	if n.Calibration, err = ParseCalibration(folder.Extras.Int8); err != nil {
		return n, nil, fmt.Errorf("cannot serve model folder %q: %w", folder.Dir, err)
	}
	if file, err = folder.Weights.Open(); err != nil {
		return n, nil, err
	}
	n.Weights = file
	return n, file, nil
}

// CalibrateFolder is [Calibrate] for a model folder. A calibration that it has already
// plays no part.
func CalibrateFolder(folder *modeldir.Folder, images [][]byte, method string, floatInput bool) (*Calibration, error) {
	if folder.Weights.Format == modeldir.TorchScript {
		return nil, fmt.Errorf("cannot calibrate model folder %q: a TorchScript module computes in its own precision; export the checkpoint or state dict that it was made of", folder.Dir)
	}
	bare := *folder
	bare.Extras.Int8 = nil
	n, file, err := networkOf(&bare)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return Calibrate(n, images, method, floatInput)
}

// openScriptModel opens a folder whose network is a TorchScript module. One that takes
// a single image at a time is served so: Options tells.
func openScriptModel(folder *modeldir.Folder, opts Options) (*Model, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	if opts.Device != "auto" {
		where, err := place(opts.Device)
		if err == nil && len(where.gpus) > 0 {
			err = fmt.Errorf("cannot run on device %q: a TorchScript module runs on the CPU; use --device cpu, or serve the checkpoint or state dict that it was made of", opts.Device)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot serve model folder %q: %w", folder.Dir, err)
		}
	}
	crew := opts.ensureCPUDefaults()
	switch opts.Precision {
	case "", "auto", FP32:
		opts.Precision = FP32
	default:
		return nil, fmt.Errorf("cannot serve model folder %q in precision %q: a TorchScript module computes in its own; use --precision auto", folder.Dir, opts.Precision)
	}
	s, batches, err := openScript(folder)
	if err != nil {
		return nil, fmt.Errorf("cannot serve model folder %q: %w", folder.Dir, err)
	}
	if !batches {
		opts.MaxBatch = 1
	} else if opts.MaxBatch == 0 {
		opts.MaxBatch = defaultMaxBatch
	}
	p := folder.Preprocess()
	n := Network{Width: p.Width, Height: p.Height, Mean: p.Mean, Std: p.Std, Temperature: 1}
	if t := folder.Extras.Temperature; t != nil {
		n.Temperature = *t
	}
	return &Model{
		network: n, options: opts, why: "a TorchScript module computes in its own", classes: folder.Config.NumClasses,
		shared: s, crew: crew, folder: folder,
	}, nil
}

// Folder returns the folder that the model was opened from, nil if it was made
// with [New]. It is shared: nobody may change it.
func (m *Model) Folder() *modeldir.Folder { return m.folder }
