// Package imageloader reads minibatches of pictures from a .tar.gz archive, in
// the background, while the caller trains on the batch before:
//
//	loader, err := imageloader.New(fn, vocab, trans, 64, 1000, seed, false, imageloader.RGB)
//	if err != nil {
//		return err
//	}
//	defer loader.Close()
//	for loader.Scan() {
//		data, label := loader.Minibatch()
//		…
//		data.Close()
//		label.Close()
//	}
//	return loader.Err()
//
// A picture's class is the name of the folder it lies in. The archive is read
// once, from start to end; a next epoch takes a next loader.
package imageloader

import (
	"context"
	"errors"
	"fmt"
	"path"
	"runtime"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/tool/tgz"
	"github.com/torchlit/torchlit/torch/vision/transforms"
)

// The colour spaces of a loader.
const (
	RGB  string = "rgb"  // three channels
	GRAY string = "gray" // one channel, of coloured pictures, too
)

// ImageLoader is an archive that is being read. It belongs to one goroutine.
//
// Its own goroutines end with the archive, with an error, or with Close. A
// program from gotorch, which has no Close, may leave the loop early and drop the
// loader: they end then, too, once the garbage collector has noticed.
type ImageLoader struct {
	p      *pipeline
	batch  minibatch
	taken  bool
	closed bool
	err    error
}

// New opens the archive fn and begins to read it.
//
// vocab gives each class its label; see BuildLabelVocabularyFromTgz. trans must
// hold a ToTensor. What comes before it runs on each picture, a *vision.Image,
// one at a time; what comes from there on runs on each batch. Pictures of a batch
// that differ in size are resized to that of the batch's first.
//
// A batch has mbSize pictures, the last one what is left over. The order is
// shuffled through a buffer of bufSize pictures: each leaves at a random time
// after it came, so that neighbours in a sorted archive stay near. A bufSize of 1
// or less keeps the archive's order. The same seed gives the same batches, and
// the order that gotorch gives.
//
// pinMemory puts the batches in memory that can be copied to a CUDA device
// without waiting. colorSpace is RGB or GRAY.
//
// New panics when mbSize is not positive. Everything that is wrong inside the
// archive is told by Err.
func New(fn string, vocab map[string]int, trans *transforms.ComposeTransformer,
	mbSize, bufSize int, seed int64, pinMemory bool, colorSpace string) (*ImageLoader, error) {
	if mbSize <= 0 {
		panic(&torch.Error{Op: "imageloader.New", Text: fmt.Sprintf("a batch of %d pictures was asked for; mbSize is at least 1", mbSize)})
	}
	if colorSpace != RGB && colorSpace != GRAY {
		return nil, fmt.Errorf("cannot load pictures in color space %q: use %q or %q", colorSpace, RGB, GRAY)
	}
	each, batch, err := split(trans)
	if err != nil {
		return nil, err
	}
	r, err := tgz.OpenFile(fn)
	if err != nil {
		return nil, err
	}
	l := &ImageLoader{p: newPipeline(settings{
		archive: fn,
		vocab:   vocab,
		each:    each,
		batch:   batch,
		mbSize:  mbSize,
		bufSize: bufSize,
		seed:    seed,
		pin:     pinMemory,
		gray:    colorSpace == GRAY,
	}, r)}
	runtime.AddCleanup(l, func(stop context.CancelFunc) { stop() }, l.p.stop)
	return l, nil
}

// split cuts trans in front of ToTensor.
func split(trans *transforms.ComposeTransformer) (each, batch *transforms.ComposeTransformer, err error) {
	if trans != nil {
		for i, step := range trans.Transforms {
			switch step.(type) {
			case *transforms.ToTensorTransformer, transforms.ToTensorTransformer:
				return transforms.Compose(trans.Transforms[:i]...), transforms.Compose(trans.Transforms[i:]...), nil
			}
		}
	}
	return nil, nil, errors.New("cannot make batches of pictures: put ToTensor among the transforms")
}

// Scan waits for the next batch. It returns false when there is none: after the
// archive's end, after Close, and on an error, which Err tells then. Batches that
// were complete before the error come first.
func (l *ImageLoader) Scan() bool {
	l.drop()
	if l.closed {
		return false
	}
	batch, ok := <-l.p.batches
	if !ok {
		l.err = l.p.close()
		l.closed = true
		return false
	}
	l.batch, l.taken = batch, false
	return true
}

// Minibatch returns the batch that Scan found: the pictures, float32 [n,
// channels, height, width] if the transforms leave it so, and their labels, int64
// [n]. Before the first Scan and after the last one both are zero Tensors.
//
// The tensors are the caller's, to keep as long as needed and to Close. The
// loader closes those of batches for which Minibatch was not called.
func (l *ImageLoader) Minibatch() (torch.Tensor, torch.Tensor) {
	l.taken = true
	return l.batch.data, l.batch.label
}

// Err tells what made Scan return false; nil when it was the archive's end or
// Close.
func (l *ImageLoader) Err() error { return l.err }

// Close ends the reading, waits for the loader's goroutines and closes the
// archive. It may be called more than once; after Scan has returned false it has
// nothing left to do.
func (l *ImageLoader) Close() {
	l.drop()
	l.p.close() // what may have been wrong further on is of no interest now
	l.closed = true
}

// drop closes a batch that nobody took.
func (l *ImageLoader) drop() {
	if !l.taken {
		l.batch.close()
	}
	l.batch, l.taken = minibatch{}, false
}

// BuildLabelVocabularyFromTgz numbers the classes of the archive fn from 0, in the
// order in which they first come. Two archives of the same classes may differ in
// that: use the vocabulary of the training set for both.
func BuildLabelVocabularyFromTgz(fn string) (map[string]int, error) {
	files, err := tgz.ListFile(fn)
	if err != nil {
		return nil, fmt.Errorf("cannot build the vocabulary of %q: %w", fn, err)
	}
	vocab := map[string]int{}
	for _, file := range files {
		class := classOf(file.Name)
		if _, known := vocab[class]; !known {
			vocab[class] = len(vocab)
		}
	}
	return vocab, nil
}

// classOf returns the name of the folder that a file of an archive lies in, "."
// if it lies in none.
func classOf(name string) string { return path.Base(path.Dir(name)) }
