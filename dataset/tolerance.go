package dataset

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Tolerance lets loaders go on past images that cannot be read, up to a bound,
// and lists them. In the place of such an image the loader shows the next one of
// the source that can be read, with that one's label. A Tolerance serves the
// loaders of all epochs of a run, also at once.
type Tolerance struct {
	most int

	mu      sync.Mutex
	skipped map[string]error // by the image's name
}

// NewTolerance allows so many different unreadable images; a negative number is
// no bound.
func NewTolerance(most int) *Tolerance {
	return &Tolerance{most: most, skipped: map[string]error{}}
}

// DefaultTolerance is the number of unreadable images that a set of n may have:
// one in a hundred, at least 10. More than that is not a few damaged files, but a
// disk that fails or a folder that is something else.
func DefaultTolerance(n int) int { return max(10, n/100) }

// Values of the setting data.corrupt.
const (
	CorruptFail = "fail" // the first image that cannot be read ends the run
	CorruptSkip = "skip" // such images are left out, up to a bound
)

// Tolerate returns the Tolerance that a policy stands for in a set of n images:
// nil for CorruptFail, which "" stands for too; for CorruptSkip one of most images,
// and, where most is 0, of what DefaultTolerance says.
func Tolerate(policy string, n, most int) (*Tolerance, error) {
	switch {
	case policy == CorruptFail || policy == "":
		return nil, nil
	case policy != CorruptSkip:
		return nil, fmt.Errorf("cannot treat corrupt images as %q: use %q or %q", policy, CorruptFail, CorruptSkip)
	case most == 0:
		most = DefaultTolerance(n)
	}
	return NewTolerance(most), nil
}

// Skipped returns the images that could not be read so far, in the order of
// their names.
func (t *Tolerance) Skipped() []Skipped {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]Skipped, 0, len(t.skipped))
	for name, err := range t.skipped {
		list = append(list, Skipped{File: name, Err: err})
	}
	slices.SortFunc(list, func(a, b Skipped) int { return strings.Compare(a.File, b.File) })
	return list
}

// add counts an image that cannot be read, once; the error says that there are
// too many.
func (t *Tolerance) add(name string, err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.skipped[name]; !known {
		t.skipped[name] = err
	}
	if t.most >= 0 && len(t.skipped) > t.most {
		return fmt.Errorf("cannot go on: more than %d images cannot be read, lately: %w; repair or remove them, or allow more", t.most, err)
	}
	return nil
}

// nameOf names an image for people: its file, or its place.
func nameOf(s Source, i int) string {
	if n, ok := s.(interface{ Name(i int) string }); ok {
		if name := n.Name(i); name != "" {
			return name
		}
	}
	return fmt.Sprintf("image %d", i)
}
