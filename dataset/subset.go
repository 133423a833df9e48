package dataset

import (
	"fmt"

	"github.com/torchlit/torchlit/vision"
)

// Subset is a view of some images of a source, in the order of indexes: image k
// of the view is image indexes[k] of the source. Nothing is copied; neither may
// change afterwards. What shares a source, such as the parts of a split, may be
// used at once.
func Subset(source Source, indexes []int) (Source, error) {
	for _, i := range indexes {
		if i < 0 || i >= source.Len() {
			return nil, fmt.Errorf("cannot take image %d of a set of %d", i, source.Len())
		}
	}
	s := &subset{Source: source, indexes: indexes}
	if r, ok := source.(resident); ok {
		return &residentSubset{s, r}, nil
	}
	return s, nil
}

type subset struct {
	Source
	indexes []int
}

func (s *subset) Len() int                          { return len(s.indexes) }
func (s *subset) Label(i int) int64                 { return s.Source.Label(s.indexes[i]) }
func (s *subset) Load(i int) (*vision.Image, error) { return s.Source.Load(s.indexes[i]) }

// Name names image i as the source does.
func (s *subset) Name(i int) string { return nameOf(s.Source, s.indexes[i]) }

// residentSubset is a view of images in memory.
type residentSubset struct {
	*subset
	memory resident
}

func (s *residentSubset) view(i int) vision.Image { return s.memory.view(s.indexes[i]) }

// Labels returns the labels of all images of a source, in order.
func Labels(s Source) []int64 {
	labels := make([]int64, s.Len())
	for i := range labels {
		labels[i] = s.Label(i)
	}
	return labels
}

// Counts returns the number of images of each class of a source.
func Counts(s Source) []int {
	counts := make([]int, len(s.ClassNames()))
	for i := range s.Len() {
		counts[s.Label(i)]++
	}
	return counts
}
