package dataset

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/torchlit/torchlit/dataset/internal/splitmix"
)

// Split divides a set in two by its labels: part has that fraction of the images,
// rest the others, both as indexes in rising order. Each class has its share in
// part, but for rounding: the images left over by rounding down go, one each, to
// the classes whose shares lost most, so that part has round(fraction*n) images.
// No class gives away its last image, so part may be smaller where classes of one
// image are many. The division is a function of the labels, the fraction (above 0,
// below 1) and the seed.
func Split(labels []int64, fraction float64, seed uint64) (rest, part []int, err error) {
	if !(fraction > 0 && fraction < 1) {
		return nil, nil, fmt.Errorf("cannot split off %v of a data set: give a fraction above 0 and below 1", fraction)
	}
	classes := byClass(labels, seed)
	sizes := make([]int, len(classes))
	for i, c := range classes {
		sizes[i] = len(c)
	}
	quotas := apportion(sizes, int(fraction*float64(len(labels))+0.5))
	for i, c := range classes {
		part = append(part, c[:quotas[i]]...)
		rest = append(rest, c[quotas[i]:]...)
	}
	if len(part) == 0 || len(rest) == 0 {
		return nil, nil, fmt.Errorf("cannot split off %v of a data set of %d images: one of the parts would be empty; give more images, or another fraction", fraction, len(labels))
	}
	slices.Sort(part)
	slices.Sort(rest)
	return rest, part, nil
}

// byClass lists the images of each class that occurs, in the order of labels, each
// class shuffled on its own: images of one class leave those of another in place.
func byClass(labels []int64, seed uint64) [][]int {
	const splits = 3 // keeps this stream apart from the others of the package
	members := map[int64][]int{}
	for i, l := range labels {
		members[l] = append(members[l], i)
	}
	var classes [][]int
	for _, l := range slices.Sorted(maps.Keys(members)) {
		c := members[l]
		r := splitmix.Seeded(splits, seed, uint64(l))
		for i := range c {
			j := r.Below(i + 1)
			c[i], c[j] = c[j], c[i]
		}
		classes = append(classes, c)
	}
	return classes
}

// apportion divides total over classes by their sizes, by largest remainders. A
// class keeps at least one image.
func apportion(sizes []int, total int) []int {
	n := 0
	for _, size := range sizes {
		n += size
	}
	quotas, order := make([]int, len(sizes)), make([]int, len(sizes))
	left := total
	for i, size := range sizes {
		quotas[i] = min(size*total/n, size-1)
		left -= quotas[i]
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(sizes[b]*total%n, sizes[a]*total%n)
	})
	for _, i := range order {
		if left > 0 && quotas[i] < sizes[i]-1 {
			quotas[i]++
			left--
		}
	}
	return quotas
}

// Folds divides a set into k parts for cross-validation, each with every class's
// share of the images: of each class, the parts have the same number but for one,
// and in all, too. Fold i is the validation set of round i, the others together
// (Without) its training set. A class has at least k images. The folds are a
// function of the labels, k and the seed; their indexes rise.
func Folds(labels []int64, k int, seed uint64) ([][]int, error) {
	if k < 2 || k > len(labels) {
		return nil, fmt.Errorf("cannot divide a data set of %d images into %d folds: give 2 or more, and not more than there are images", len(labels), k)
	}
	folds := make([][]int, k)
	next := 0 // goes on from class to class, so that the remainders spread over the folds
	for _, c := range byClass(labels, seed) {
		if len(c) < k {
			return nil, fmt.Errorf("cannot divide a data set into %d folds: class %d has only %d images; give fewer folds", k, labels[c[0]], len(c))
		}
		for _, i := range c {
			folds[next] = append(folds[next], i)
			next = (next + 1) % k
		}
	}
	for _, f := range folds {
		slices.Sort(f)
	}
	return folds, nil
}

// Without returns the indexes of all folds but one, rising.
func Without(folds [][]int, fold int) []int {
	var rest []int
	for i, f := range folds {
		if i != fold {
			rest = append(rest, f...)
		}
	}
	slices.Sort(rest)
	return rest
}
