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
		return nil, fmt.Errorf("cannot serve %q: its weights are in %s format; save them as %s",
			folder.Weights.Path, folder.Weights.Format, modeldir.SafetensorsFile)
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

// Folder returns the folder that the model was opened from, nil if it was made
// with [New]. It is shared: nobody may change it.
func (m *Model) Folder() *modeldir.Folder { return m.folder }
