// Package vision makes archives of pictures out of nothing, for tests and
// examples that should need no download. Its subfolders hold what real pictures
// need: transforms, the loader, and models.
package vision

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"io"
)

// SynthesizeImage returns a picture of w × h pixels of one colour.
func SynthesizeImage(w, h int, c color.Color) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(m, m.Bounds(), image.NewUniform(c), image.Point{}, draw.Src)
	return m
}

// Synthesizer writes a .tar.gz archive of pictures of one colour each. It
// belongs to one goroutine. Other files can be added through the embedded
// tar.Writer.
type Synthesizer struct {
	*tar.Writer
	gzip *gzip.Writer
}

// NewSynthesizer begins an archive in output, which stays the caller's to close.
func NewSynthesizer(output io.Writer) *Synthesizer {
	z := gzip.NewWriter(output)
	return &Synthesizer{Writer: tar.NewWriter(z), gzip: z}
}

// AddImage appends the JPEG file fn, which shows w × h pixels of colour c. JPEG
// is lossy: what a decoder returns may be off by a few steps of 255.
func (s *Synthesizer) AddImage(fn string, w, h int, c color.Color) error {
	if w <= 0 || h <= 0 {
		return fmt.Errorf("cannot add image %q: it would have %d x %d pixels", fn, w, h)
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, SynthesizeImage(w, h, c), nil); err != nil {
		return fmt.Errorf("cannot encode image %q: %w", fn, err)
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: fn, Mode: 0o600, Size: int64(file.Len())}
	if err := s.WriteHeader(header); err != nil {
		return fmt.Errorf("cannot add image %q: %w", fn, err)
	}
	if _, err := s.Write(file.Bytes()); err != nil {
		return fmt.Errorf("cannot add image %q: %w", fn, err)
	}
	return nil
}

// Close ends the archive. Until it has returned nil the archive is not complete.
// It may be called more than once. gotorch's Close returned nothing, so that a
// full disk went unnoticed.
func (s *Synthesizer) Close() error {
	return errors.Join(s.Writer.Close(), s.gzip.Close())
}
