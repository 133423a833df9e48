package drift

import "gonum.org/v1/gonum/stat/distuv"

// minExpected is the least expected count with which a class is compared by itself: Cochran's rule, below which the chi-squared
// distribution fits badly.
const minExpected = 5

// ChiSquare tests whether two samples have the same mix of classes: Pearson's test of homogeneity, without continuity correction.
// reference and window have the count of each class, none negative, and are of one length. Classes that neither sample has are left
// out. Classes of which fewer than 5 are expected in the smaller sample are taken together as one; when even these together are
// fewer than 5, the smallest other class joins them. dof is the number of classes compared less one; where nothing is left to
// compare it is 0 and p is 1.
func ChiSquare(reference, window []int) (statistic, p float64, dof int) {
	if len(reference) != len(window) {
		panic("BUG: counts of different classes are compared")
	}
	var total [2]float64
	for c := range reference {
		total[0] += float64(reference[c])
		total[1] += float64(window[c])
	}
	if total[0] == 0 || total[1] == 0 {
		return 0, 1, 0
	}
	cells := merged(reference, window, min(total[0], total[1])/(total[0]+total[1]))
	for _, c := range cells {
		for k, observed := range c {
			expected := total[k] / (total[0] + total[1]) * (c[0] + c[1])
			statistic += (observed - expected) * (observed - expected) / expected
		}
	}
	if dof = len(cells) - 1; dof <= 0 {
		return 0, 1, 0
	}
	return statistic, distuv.ChiSquared{K: float64(dof)}.Survival(statistic), dof
}

// merged are the counts of the classes that are compared. Which those are depends on the sum of both samples only, so that it does
// not favour a difference. share is that of the smaller sample.
func merged(reference, window []int, share float64) [][2]float64 {
	var cells [][2]float64
	var rest [2]float64
	for c := range reference {
		cell := [2]float64{float64(reference[c]), float64(window[c])}
		switch both := cell[0] + cell[1]; {
		case both*share >= minExpected:
			cells = append(cells, cell)
		default:
			rest[0], rest[1] = rest[0]+cell[0], rest[1]+cell[1]
		}
	}
	both := rest[0] + rest[1]
	if both == 0 {
		return cells
	}
	if both*share >= minExpected || len(cells) == 0 {
		return append(cells, rest)
	}
	least := 0
	for k, c := range cells {
		if c[0]+c[1] < cells[least][0]+cells[least][1] {
			least = k
		}
	}
	cells[least][0] += rest[0]
	cells[least][1] += rest[1]
	return cells
}
