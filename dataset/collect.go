package dataset

import (
	"context"
	"fmt"
)

// Collect reads all images of a source, which have one size, into a set: for
// whoever needs them in one slice, such as a GPU that holds the whole set. A *Set
// is returned as it is.
func Collect(ctx context.Context, source Source) (*Set, error) {
	if s, ok := source.(*Set); ok {
		return s, nil
	}
	n := source.Len()
	if n == 0 {
		return nil, fmt.Errorf("cannot collect images: %w", ErrNoData)
	}
	img, err := source.Load(0)
	if err != nil {
		return nil, err
	}
	s := &Set{Classes: source.ClassNames(), Labels: Labels(source), Height: img.Height, Width: img.Width}
	img.Release()
	s.Images = make([]byte, n*s.imageLen())
	err = parallel(ctx, n, 0, func(i int) error {
		img, err := source.Load(i)
		if err != nil {
			return err
		}
		defer img.Release()
		if img.Height != s.Height || img.Width != s.Width {
			return sizesError{fmt.Errorf("cannot collect images of several sizes: %q has %dx%d pixels, the first one %dx%d; give a size to resize all to",
				nameOf(source, i), img.Width, img.Height, s.Width, s.Height)}
		}
		copy(s.Image(i), img.Pix)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}
