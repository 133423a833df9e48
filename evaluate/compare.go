package evaluate

import (
	"fmt"
	"math"
	"slices"
)

// Comparison is how two classifiers, an old one and a new one, fare on the same images. Its JSON is what torchlit eval --compare prints.
type Comparison struct {
	N           int        `json:"n"`            // images
	NewAccuracy float64    `json:"new_accuracy"` // share of right answers
	OldAccuracy float64    `json:"old_accuracy"`
	Difference  float64    `json:"difference"`          // new less old
	Interval    [2]float64 `json:"difference_interval"` // 95 %
	OnlyNew     int        `json:"only_new"`            // images that the new one alone got right
	OnlyOld     int        `json:"only_old"`
	P           float64    `json:"mcnemar_p"` // two-sided

	PerClass []ClassComparison `json:"per_class"` // those that have images
}

// ClassComparison is the same for the images of one class.
type ClassComparison struct {
	Label     string  `json:"label"`
	N         int     `json:"n"`
	NewRecall float64 `json:"new_recall"`
	OldRecall float64 `json:"old_recall"`
	OnlyNew   int     `json:"only_new"`
	OnlyOld   int     `json:"only_old"`
}

// Compare compares the answers of two classifiers to the same images in the same order. Their classes may be in another order.
func Compare(newer, older Answers) Comparison {
	if len(newer.Truth) != len(older.Truth) {
		panic(fmt.Sprintf("BUG: compared answers to %d and %d images", len(newer.Truth), len(older.Truth)))
	}
	c := Comparison{N: len(newer.Truth)}
	newRight, oldRight := 0, 0
	perClass := make([]ClassComparison, len(newer.Labels))
	right := make([][2]int, len(newer.Labels))
	for i, truth := range newer.Truth {
		if newer.Labels[truth] != older.Labels[older.Truth[i]] {
			panic(fmt.Sprintf("BUG: image %d is compared as %q and as %q", i, newer.Labels[truth], older.Labels[older.Truth[i]]))
		}
		k := &perClass[truth]
		k.N++
		isNew, isOld := Best(newer.Probabilities[i]) == truth, Best(older.Probabilities[i]) == older.Truth[i]
		if isNew {
			newRight++
			right[truth][0]++
		}
		if isOld {
			oldRight++
			right[truth][1]++
		}
		if isNew && !isOld {
			c.OnlyNew++
			k.OnlyNew++
		}
		if isOld && !isNew {
			c.OnlyOld++
			k.OnlyOld++
		}
	}
	for i := range perClass {
		k := &perClass[i]
		k.Label, k.NewRecall, k.OldRecall = newer.Labels[i], ratio(right[i][0], k.N), ratio(right[i][1], k.N)
	}
	c.PerClass = slices.DeleteFunc(perClass, func(k ClassComparison) bool { return k.N == 0 })
	c.NewAccuracy, c.OldAccuracy, c.Difference = ratio(newRight, c.N), ratio(oldRight, c.N), ratio(c.OnlyNew-c.OnlyOld, c.N)
	c.Interval[0], c.Interval[1] = PairedInterval(c.OnlyNew, c.OnlyOld, c.N)
	c.P = McNemar(c.OnlyNew, c.OnlyOld)
	return c
}

// PairedInterval is the interval in which the difference of two shares lies with 95 % confidence that were seen on the same n
// images: a of them spoke for the first alone, b for the second alone. It is that of Bonett and Price ("Adjusted Wald Confidence Interval for a
// Difference of Binomial Proportions Based on Paired Data", 2012), which holds for few images and for none that differ, where the textbook one shrinks to nothing.
func PairedInterval(a, b, n int) (low, high float64) {
	const z = 1.959963984540054 // the normal distribution's 97.5 % quantile
	m := float64(n) + 2
	p, q := (float64(a)+1)/m, (float64(b)+1)/m
	half := z * math.Sqrt((p+q-(p-q)*(p-q))/m)
	return max(-1, p-q-half), min(1, p-q+half)
}
