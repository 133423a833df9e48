// Package pretrained puts weights that others trained into a network: from the Hugging
// Face hub, from a model folder, or from a file of weights of PyTorch, timm, torchvision
// or Lightning.
//
// It is strict: a tensor that is missing, left over or of another shape is an error that
// names it, except where fine-tuning means just that. The classifier of other classes
// stays the network's own, freshly initialised. The first convolution is adapted where the
// images have other channels or the network another stem. What happened to each tensor is
// in the [Report].
package pretrained

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/torchlit/torchlit/hub"
	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/torch/vision/resnet"
	"github.com/torchlit/torchlit/torch/weights"
)

// Options say how weights are found and taken. The zero value is a good choice.
type Options struct {
	// Hub fetches what is on the hub. Nil: one by the environment variables; see
	// [hub.FromEnv].
	Hub *hub.Client
	// FreshHead leaves the network's classifier as it is even where the weights have one
	// of as many classes.
	FreshHead bool
}

// Source is weights that were found and not yet put anywhere. It holds a file open.
type Source struct {
	ID   string // as it was asked for
	Path string // of the file of weights

	folder  *modeldir.Folder
	file    *weights.File
	options Options
}

// anchor is a tensor that every ResNet has, below whatever its name is prefixed with.
const anchor = "layer1.0.conv1.weight"

// Open finds weights by an id:
//
//	timm/resnet18.a1_in1k, …@revision   a repository of the hub; hf-hub: may come before it
//	resnet18, resnet18.tv_in1k          the same without "timm/", and with timm's default tag
//	runs/2026-11-26/model               a model folder, or the folder of a run; local-dir: may come before it
//	last.ckpt, resnet18-f37072fd.pth    a file: safetensors, a state dict, a checkpoint
//
// What exists on the disk is not looked for on the hub. The caller closes the Source.
func Open(ctx context.Context, id string, opts Options) (*Source, error) {
	s := &Source{ID: id, options: opts}
	err := s.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot start from the weights %q: %w", id, err)
	}
	return s, nil
}

func (s *Source) open(ctx context.Context) error {
	path, err := s.locate(ctx)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		if s.folder, err = openFolder(path); err != nil {
			return err
		}
		if s.folder.Weights.Format == modeldir.TorchScript {
			return fmt.Errorf("%q is a TorchScript program; give its state dict", s.folder.Weights.Path)
		}
		path = s.folder.Weights.Path
	}
	s.Path = path
	if s.file, err = weights.Open(path); err != nil {
		return err
	}
	if err := s.file.Descend(anchor); err != nil {
		s.file.Close()
		return err
	}
	return nil
}

// openFolder opens a model folder, or that of a run which has one.
func openFolder(dir string) (*modeldir.Folder, error) {
	folder, err := modeldir.Open(dir)
	if errors.Is(err, modeldir.ErrNoConfig) {
		if inner := filepath.Join(dir, "model"); isDir(inner) {
			return modeldir.Open(inner)
		}
	}
	return folder, err
}

// locate returns the path of a folder or file on the disk.
func (s *Source) locate(ctx context.Context) (string, error) {
	if dir, ok := strings.CutPrefix(s.ID, "local-dir:"); ok {
		return dir, nil
	}
	id := strings.TrimPrefix(strings.TrimPrefix(s.ID, "hf-hub:"), "hf_hub:")
	if id == s.ID {
		_, err := os.Stat(id)
		if err == nil {
			return id, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || looksLikePath(id) {
			return "", err
		}
	}
	if !strings.Contains(id, "/") {
		var err error
		if id, err = timmID(id); err != nil {
			return "", err
		}
	}
	ref, err := hub.ParseRef(id)
	if err != nil {
		return "", err
	}
	return s.fromHub(ctx, ref)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// looksLikePath is whether an id that is not there was surely meant as a path.
func looksLikePath(id string) bool {
	switch filepath.Ext(id) {
	case ".safetensors", ".bin", ".pth", ".pt", ".ckpt", ".tar":
		return true
	}
	return filepath.IsAbs(id) || strings.HasPrefix(id, ".") || strings.HasPrefix(id, "~") || strings.Count(id, "/") > 1 && !strings.Contains(id, "@")
}

// fromHub brings a repository's configuration and weights into the cache, both of one
// commit, and returns the folder that they are in there; or the weights alone, where
// there is no configuration.
func (s *Source) fromHub(ctx context.Context, ref hub.Ref) (string, error) {
	client := s.options.Hub
	if client == nil {
		var err error
		if client, err = hub.FromEnv(); err != nil {
			return "", err
		}
	}
	config, err := client.File(ctx, ref, modeldir.ConfigFile)
	if err != nil && !errors.Is(err, hub.ErrNoFile) {
		return "", err
	}
	if err == nil {
		ref.Revision = filepath.Base(filepath.Dir(config))
	}
	// The hub's own trainings have no extras; a model folder of Torchlit's has.
	_, extrasErr := client.File(ctx, ref, modeldir.ExtrasFile)
	if extrasErr != nil && !errors.Is(extrasErr, hub.ErrNoFile) && !errors.Is(extrasErr, hub.ErrOffline) {
		return "", extrasErr
	}
	path, weightsErr := s.weightsFromHub(ctx, client, ref)
	switch {
	case weightsErr != nil:
		return "", weightsErr
	case err != nil:
		return path, nil
	}
	return filepath.Dir(path), nil
}

// weightsFromHub takes the safer of two formats, or the one that there is.
func (s *Source) weightsFromHub(ctx context.Context, client *hub.Client, ref hub.Ref) (string, error) {
	var errs []error
	for _, name := range []string{modeldir.SafetensorsFile, modeldir.PickleFile} {
		path, err := client.File(ctx, ref, name)
		if err == nil {
			return path, nil
		}
		if errs = append(errs, err); !errors.Is(err, hub.ErrNoFile) && !errors.Is(err, hub.ErrOffline) {
			return "", err
		}
	}
	return "", errors.Join(errs...)
}

// Folder returns the model folder that the weights are in, nil for a file alone. Its
// Config.Pretrained says how pictures were prepared for the weights, which a fine-tuning
// does well to keep. It is shared: nobody may change it.
func (s *Source) Folder() *modeldir.Folder { return s.folder }

// Spec describes the network that the weights are of: by the folder's configuration, or
// by the tensors of a file alone. A file does not tell which stem a network of C or D
// has; ImageNet's is taken.
func (s *Source) Spec() (resnet.Spec, error) {
	if s.folder != nil {
		c := s.folder.Config
		return resnet.Describe(c.Architecture, resnet.Stem(s.folder.Extras.Stem), int64(c.NumClasses))
	}
	if spec, ok := s.fits(); ok {
		return spec, nil
	}
	return resnet.Spec{}, fmt.Errorf("cannot tell the architecture of %q: its tensors are of none of %q", s.ID, resnet.Architectures())
}

// fits looks for the architecture that has exactly the file's tensors. Its classifier
// may be missing.
func (s *Source) fits() (resnet.Spec, bool) {
	classes := int64(1)
	if shape, ok := s.file.Shape(headWeight); ok && len(shape) == 2 {
		classes = max(1, shape[0])
	}
	own := 0
	for _, name := range s.file.Names() {
		if resnet.Owns(name) && name != headWeight && name != headBias && !counter(name) {
			own++
		}
	}
	for _, architecture := range resnet.Architectures() {
		for _, stem := range []resnet.Stem{resnet.ImageNetStem, resnet.CIFARStem} {
			spec, err := resnet.Describe(architecture, stem, classes)
			if err == nil && len(spec.Tensors())-2 == own && s.has(spec) {
				return spec, true
			}
		}
	}
	return resnet.Spec{}, false
}

// has is whether the file has every tensor of a network but its classifier.
func (s *Source) has(spec resnet.Spec) bool {
	for _, t := range spec.Tensors() {
		shape, ok := s.file.Shape(t.Name)
		if t.Name != headWeight && t.Name != headBias && !(ok && equal(shape, t.Shape)) {
			return false
		}
	}
	return true
}

// Close ends the Source.
func (s *Source) Close() error { return s.file.Close() }

// Load is [Open], [Source.Into] and Close.
func Load(ctx context.Context, id string, net *resnet.Net, opts Options) (*Report, error) {
	s, err := Open(ctx, id, opts)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.Into(net)
}
