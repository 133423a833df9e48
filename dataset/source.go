package dataset

import "github.com/torchlit/torchlit/vision"

// Source is a set of labelled images that a Loader draws from. Any number of
// goroutines may use it at once. [*Set] is the one in memory; others decode an
// image each time that it is asked for.
type Source interface {
	// Len is the number of images.
	Len() int
	// Label is the class of image i, an index into ClassNames.
	Label(i int) int64
	// ClassNames names the classes in the order of their labels. Read it only.
	ClassNames() []string
	// Load returns image i, RGB, HWC. It belongs to the caller until Release.
	// An error names the image.
	Load(i int) (*vision.Image, error)
}

// Transform turns an image of any size into one of a fixed size, at random: what
// it does depends on its settings and the key only. Any number of goroutines may
// use one at once.
//
// A Transform that not every image can go through has a method
// Validate(height, width int) error, too, which the Loader asks before Apply.
type Transform interface {
	// Size is the height and width of what Apply writes for an image of the
	// given size.
	Size(height, width int) (int, int)
	// Apply writes the changed image to dst, height*width*3 bytes by Size, RGB
	// HWC. dst and src do not overlap; src is read only.
	Apply(dst []byte, src *vision.Image, key Key)
}

// Key is what everything random about one showing of an image is a function of.
type Key struct {
	Seed         uint64
	Epoch, Index int // Index is the image's place in its Source
}

// Label returns the label of image i.
func (s *Set) Label(i int) int64 { return s.Labels[i] }

// ClassNames returns s.Classes.
func (s *Set) ClassNames() []string { return s.Classes }

// Name returns the file of image i; "" when it came from an archive.
func (s *Set) Name(i int) string {
	if s.Files == nil {
		return ""
	}
	return s.Files[i]
}

// Load returns a copy of image i. The error is nil.
func (s *Set) Load(i int) (*vision.Image, error) {
	m := vision.Acquire(s.Width, s.Height)
	copy(m.Pix, s.Image(i))
	return m, nil
}

// resident is a Source whose images lie in memory: the Loader reads them where
// they are, without the copy that Load makes.
type resident interface {
	view(i int) vision.Image // not to be written or released
}

func (s *Set) view(i int) vision.Image {
	return vision.Image{Width: s.Width, Height: s.Height, Pix: s.Image(i)}
}
