package tgz

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"image/png"
	"path/filepath"
	"strings"

	"github.com/torchlit/torchlit/torch/vision"
)

// synthetic is a data set in small: folders, two classes, two parts.
var synthetic = [...]string{
	"mnist/",
	"mnist/training/",
	"mnist/training/0/",
	"mnist/training/0/first.png",
	"mnist/training/0/second.png",
	"mnist/training/1/",
	"mnist/training/1/first.png",
	"mnist/training/1/second.png",
	"mnist/testing/",
	"mnist/testing/0/",
	"mnist/testing/0/first.png",
}

// SynthesizeTarball writes what Synthesize writes to the file input.tar.gz in
// dir, and returns the file's path.
func SynthesizeTarball(dir string) (string, error) {
	fn := filepath.Join(dir, "input.tar.gz")
	w, err := CreateFile(fn)
	if err != nil {
		return "", err
	}
	if err := errors.Join(Synthesize(w), w.Close()); err != nil {
		return "", fmt.Errorf("cannot write archive %q: %w", fn, err)
	}
	return fn, nil
}

// Synthesize adds a data set for tests: five PNG files of 2 × 2 blue pixels, in
// the classes 0 and 1, and the folders they lie in. It does not close w.
func Synthesize(w *Writer) error {
	var picture bytes.Buffer
	if err := png.Encode(&picture, vision.SynthesizeImage(2, 2, color.RGBA{0, 0, 255, 255})); err != nil {
		return fmt.Errorf("cannot encode the picture: %w", err)
	}
	for _, name := range synthetic {
		header, content := &tar.Header{Name: name, Mode: 0o600}, picture.Bytes()
		if strings.HasSuffix(name, "/") {
			header.Typeflag, content = tar.TypeDir, nil
		}
		header.Size = int64(len(content))
		if err := w.WriteHeader(header); err != nil {
			return fmt.Errorf("cannot add %q: %w", name, err)
		}
		if _, err := w.Write(content); err != nil {
			return fmt.Errorf("cannot add %q: %w", name, err)
		}
	}
	return nil
}
