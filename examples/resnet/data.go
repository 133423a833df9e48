package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"path/filepath"
	"strings"

	"github.com/torchlit/torchlit/examples/internal/digits"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/tool/tgz"
	"github.com/torchlit/torchlit/torch/vision/imageloader"
	"github.com/torchlit/torchlit/torch/vision/transforms"
)

// The mean and the standard deviation of ImageNet's pictures, by channel. They suit most
// photographs.
var (
	mean   = []float32{0.485, 0.456, 0.406}
	stddev = []float32{0.229, 0.224, 0.225}
)

// shuffleBuffer is the number of pictures in memory that batches are drawn from. An
// archive that is sorted by class, and larger than this, should be shuffled as a file.
const shuffleBuffer = 5000

// augmented shows a picture a little larger, and through a window that is elsewhere each
// time.
func (t *trainer) augmented() *transforms.ComposeTransformer {
	larger := t.size + max(t.size/8, 1)
	return transforms.Compose(
		transforms.Resize(larger, larger),
		transforms.RandomCrop(t.size),
		transforms.ToTensor(),
		transforms.Normalize(mean, stddev))
}

func (t *trainer) plain() *transforms.ComposeTransformer {
	return transforms.Compose(
		transforms.Resize(t.size, t.size),
		transforms.ToTensor(),
		transforms.Normalize(mean, stddev))
}

// eachBatch calls f with the pictures [N, 3, size, size] and labels [N] of each batch of
// an archive, in a Scope. Batches are decoded in the background meanwhile.
func (t *trainer) eachBatch(ctx context.Context, archive string, trans *transforms.ComposeTransformer,
	buffer int, seed int64, f func(x, y torch.Tensor)) error {
	pinned := strings.HasPrefix(t.device.String(), "cuda") // memory that it copies from faster
	loader, err := imageloader.New(archive, t.vocab, trans, t.batch, buffer, seed, pinned, imageloader.RGB)
	if err != nil {
		return err
	}
	defer loader.Close()
	for loader.Scan() {
		if err := ctx.Err(); err != nil {
			return err
		}
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			x, y := loader.Minibatch()
			defer x.Close() // the loader's goroutine made them, so they are not the Scope's
			defer y.Close()
			f(x.To(t.device), y.To(t.device))
		})
	}
	return loader.Err()
}

// drawArchives writes pictures to train and to test with into dir: coloured digits.
func drawArchives(dir string, images int, seed uint64) (train, test string, err error) {
	train, test = filepath.Join(dir, "train.tar.gz"), filepath.Join(dir, "test.tar.gz")
	err = errors.Join(
		drawArchive(train, digits.Draw(images, seed), seed),
		drawArchive(test, digits.Draw((images+5)/6, ^seed), ^seed))
	return train, test, err
}

func drawArchive(file string, set *digits.Set, seed uint64) error {
	w, err := tgz.CreateFile(file)
	if err != nil {
		return err
	}
	lots := rand.New(rand.NewPCG(seed, 0))
	for i := 0; i < set.Len() && err == nil; i++ {
		name := fmt.Sprintf("digits/%d/%05d.png", set.Labels[i], i)
		err = addPicture(w, name, paint(set.Picture(i), lots))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("cannot write archive %q: %w", file, err)
	}
	return nil
}

func addPicture(w *tgz.Writer, name string, picture image.Image) error {
	var file bytes.Buffer
	if err := png.Encode(&file, picture); err != nil {
		return err
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(file.Len())}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err := w.Write(file.Bytes())
	return err
}

// paint gives a gray picture two colours: a dark one for the paper, a bright one for the
// ink. So colour tells nothing about the class.
func paint(pixels []byte, lots *rand.Rand) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, digits.Side, digits.Side))
	var paper, ink [3]int
	for c := range 3 {
		paper[c], ink[c] = lots.IntN(100), 155+lots.IntN(100)
	}
	for i, v := range pixels {
		var mixed [3]uint8
		for c := range 3 {
			mixed[c] = uint8(paper[c] + (ink[c]-paper[c])*int(v)/255)
		}
		m.Set(i%digits.Side, i/digits.Side, color.RGBA{mixed[0], mixed[1], mixed[2], 255})
	}
	return m
}
