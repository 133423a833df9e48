package dataset

import (
	"fmt"
	"slices"

	"github.com/torchlit/torchlit/vision"
)

// Join puts two sources with the same classes together: first the images of a, then those of b. Two sets in memory whose images have
// one size become one, as a copy; of others nothing is copied, and neither may change afterwards.
func Join(a, b Source) (Source, error) {
	if !slices.Equal(a.ClassNames(), b.ClassNames()) {
		return nil, fmt.Errorf("cannot put two data sets together: one has the classes %s, the other %s", abbreviate(a.ClassNames()), abbreviate(b.ClassNames()))
	}
	if x, ok := a.(*Set); ok {
		if y, ok := b.(*Set); ok && x.Height == y.Height && x.Width == y.Width {
			return x.with(y), nil
		}
	}
	j := joined{a, b}
	x, ok1 := a.(resident)
	y, ok2 := b.(resident)
	if ok1 && ok2 {
		return residentJoined{j, x, y}, nil
	}
	return j, nil
}

// with returns the images of both sets.
func (s *Set) with(t *Set) *Set {
	out := &Set{
		Classes: s.Classes, Height: s.Height, Width: s.Width,
		Images: slices.Concat(s.Images, t.Images), Labels: slices.Concat(s.Labels, t.Labels),
		Skipped: slices.Concat(s.Skipped, t.Skipped),
	}
	if s.Files != nil || t.Files != nil {
		out.Files = append(append(make([]string, 0, out.Len()), s.names()...), t.names()...)
	}
	return out
}

// names are the files of all images, "" for one that came from an archive.
func (s *Set) names() []string {
	if s.Files != nil {
		return s.Files
	}
	return make([]string, s.Len())
}

type joined struct{ a, b Source }

func (j joined) Len() int             { return j.a.Len() + j.b.Len() }
func (j joined) ClassNames() []string { return j.a.ClassNames() }

// of returns the source that has image i, and its number there.
func (j joined) of(i int) (Source, int) {
	if n := j.a.Len(); i >= n {
		return j.b, i - n
	}
	return j.a, i
}

func (j joined) Label(i int) int64 {
	s, k := j.of(i)
	return s.Label(k)
}

func (j joined) Load(i int) (*vision.Image, error) {
	s, k := j.of(i)
	return s.Load(k)
}

// Name names image i as its source does.
func (j joined) Name(i int) string {
	s, k := j.of(i)
	return nameOf(s, k)
}

// residentJoined is of images in memory.
type residentJoined struct {
	joined
	x, y resident
}

func (j residentJoined) view(i int) vision.Image {
	if n := j.a.Len(); i >= n {
		return j.y.view(i - n)
	}
	return j.x.view(i)
}
