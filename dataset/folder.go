package dataset

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"github.com/torchlit/torchlit/vision"
)

// sizesError says why images cannot become one slice of bytes.
type sizesError struct{ error }

// openFolder decodes an image folder. The first readable image decides the
// size of all; then every worker writes its image straight to its place.
func openFolder(dir string, opts Options) (*Set, error) {
	list, err := List(dir, opts.Classes)
	if err != nil {
		return nil, err
	}
	return decodeFolder(dir, list, opts)
}

// decodeFolder takes the listing over.
func decodeFolder(dir string, list *Listing, opts Options) (*Set, error) {
	s := &Set{Classes: list.Classes, Labels: list.Labels, Files: list.Files, Height: opts.Size, Width: opts.Size}
	probe := ""
	var err error
	if opts.Size == 0 {
		if probe, err = s.probeSize(opts); err != nil {
			return nil, err
		}
	}
	if need := int64(s.Len()) * int64(s.imageLen()); need > opts.maxBytes() {
		return nil, fmt.Errorf("cannot hold data set %q in memory: %d images of %dx%d pixels need %d MB and the limit is %d MB; use a smaller size",
			dir, s.Len(), s.Width, s.Height, need>>20, opts.maxBytes()>>20)
	}
	s.Images = make([]byte, s.Len()*s.imageLen())
	failed := make([]error, s.Len())
	err = parallel(context.Background(), s.Len(), opts.Workers, func(i int) error {
		img, err := readImage(s.Files[i], opts)
		if err != nil {
			failed[i] = err
			if opts.SkipCorrupt {
				return nil
			}
			return err
		}
		defer img.Release()
		if img.Width != s.Width || img.Height != s.Height {
			return sizesError{fmt.Errorf("cannot use image %q: it has %dx%d pixels but %q has %dx%d; give a size to resize all to",
				s.Files[i], img.Width, img.Height, probe, s.Width, s.Height)}
		}
		copy(s.Image(i), img.Pix)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.drop(failed)
	if err := checkSkipped(s.Skipped, len(failed), opts); err != nil {
		return nil, err
	}
	if s.Len() == 0 {
		return nil, fmt.Errorf("cannot open data set %q: %w: none of its %d files can be read, beginning with: %w", dir, ErrNoData, len(s.Skipped), s.Skipped[0].Err)
	}
	return s, nil
}

// probeSize sets the set's image size to that of its first readable file and
// returns that file's name.
func (s *Set) probeSize(opts Options) (string, error) {
	var first error
	for _, file := range s.Files {
		img, err := readImage(file, opts)
		if err == nil {
			s.Width, s.Height = img.Width, img.Height
			img.Release()
			return file, nil
		}
		if first == nil {
			first = err
		}
		if !opts.SkipCorrupt {
			break
		}
	}
	return "", first
}

// drop removes the images whose entry in failed is set and lists them as
// skipped. The rest moves up, in order.
func (s *Set) drop(failed []error) {
	kept := 0
	for i, err := range failed {
		if err != nil {
			s.Skipped = append(s.Skipped, Skipped{File: s.Files[i], Err: err})
			continue
		}
		if kept != i {
			copy(s.Image(kept), s.Image(i))
			s.Labels[kept], s.Files[kept] = s.Labels[i], s.Files[i]
		}
		kept++
	}
	s.Labels, s.Files = s.Labels[:kept], s.Files[:kept]
	s.Images = s.Images[:kept*s.imageLen()]
}

// readImage decodes a file as opts say.
func readImage(file string, opts Options) (*vision.Image, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read image: %w", err) // names the file
	}
	defer f.Close()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	content := bytes.NewBuffer((*buf)[:0])
	_, err = content.ReadFrom(f)
	*buf = content.Bytes()
	if err != nil {
		return nil, fmt.Errorf("cannot read image: %w", err)
	}
	return decodeImage(*buf, file, opts)
}

// decodeImage decodes the image of that name and resizes it where opts say so.
func decodeImage(data []byte, name string, opts Options) (*vision.Image, error) {
	img, err := vision.DecodeDraft(data, vision.Limits{}, opts.draftSide())
	if err != nil {
		return nil, fmt.Errorf("cannot decode image %q: %w", name, err)
	}
	if opts.Size == 0 || img.Width == opts.Size && img.Height == opts.Size {
		return img, nil
	}
	resize := opts.Resize
	if resize == nil {
		resize = vision.PillowResizer
	}
	defer img.Release()
	resized, err := resize(img, opts.Size, opts.Size, vision.Bilinear)
	if err != nil {
		return nil, fmt.Errorf("cannot resize image %q: %w", name, err)
	}
	return resized, nil
}

// draftSide is the least side of a decoded image, 0: all there is.
func (o *Options) draftSide() int {
	if o.MinSide == 0 {
		return 0
	}
	return max(o.MinSide, o.Size)
}

// Folder is an image folder whose images are decoded when asked for: it takes
// sets of any size, and images of any sizes. It holds no open file.
type Folder struct {
	*Listing
	opts Options
}

// OpenFolder lists the image folder dir, one subfolder a class. Of the options it
// takes Classes, Size, Resize and MinSide. Files are opened by Load only: what is
// wrong with them comes out there.
func OpenFolder(dir string, opts Options) (*Folder, error) {
	list, err := List(dir, opts.Classes)
	if err != nil {
		return nil, err
	}
	return &Folder{Listing: list, opts: opts}, nil
}

// Len returns the number of images.
func (f *Folder) Len() int { return len(f.Files) }

// Label returns the label of image i.
func (f *Folder) Label(i int) int64 { return f.Labels[i] }

// ClassNames returns f.Classes.
func (f *Folder) ClassNames() []string { return f.Classes }

// Name returns the file of image i.
func (f *Folder) Name(i int) string { return f.Files[i] }

// Load reads and decodes image i. It belongs to the caller until Release.
func (f *Folder) Load(i int) (*vision.Image, error) { return readImage(f.Files[i], f.opts) }
