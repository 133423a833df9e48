package predict

import (
	"fmt"

	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/torch/vision/resnet"
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
	spec, err := resnet.Describe(folder.Config.Architecture, resnet.Stem(folder.Extras.Stem), int64(folder.Config.NumClasses))
	if err != nil {
		return nil, fmt.Errorf("cannot serve model folder %q: %w", folder.Dir, err)
	}
	file, err := folder.Weights.Open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	p := folder.Preprocess()
	n := Network{Spec: spec, Weights: file, Width: p.Width, Height: p.Height, Mean: p.Mean, Std: p.Std}
	if t := folder.Extras.Temperature; t != nil {
		n.Temperature = *t
	}
	m, err := New(n, opts)
	if err != nil {
		return nil, fmt.Errorf("cannot serve model folder %q: %w", folder.Dir, err)
	}
	m.folder = folder
	return m, nil
}

// openScriptModel opens a folder whose network is a TorchScript module. One that takes
// a single image at a time is served so: Options tells.
func openScriptModel(folder *modeldir.Folder, opts Options) (*Model, error) {
	if err := opts.ensureDefaults(); err != nil {
		return nil, err
	}
	s, batches, err := openScript(folder)
	if err != nil {
		return nil, fmt.Errorf("cannot serve model folder %q: %w", folder.Dir, err)
	}
	if !batches {
		opts.MaxBatch = 1
	}
	p := folder.Preprocess()
	n := Network{Width: p.Width, Height: p.Height, Mean: p.Mean, Std: p.Std, Temperature: 1}
	if t := folder.Extras.Temperature; t != nil {
		n.Temperature = *t
	}
	return &Model{network: n, options: opts, classes: folder.Config.NumClasses, shared: s, folder: folder}, nil
}

// Folder returns the folder that the model was opened from, nil if it was made
// with [New]. It is shared: nobody may change it.
func (m *Model) Folder() *modeldir.Folder { return m.folder }
