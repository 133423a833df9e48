package hydra

import "slices"

// Nearest returns the name that is the fewest letters away from name, and whether it
// is near enough to be what was meant. It is "" when there are no names.
func Nearest(name string, names []string) (nearest string, near bool) {
	if len(names) == 0 {
		return "", false
	}
	nearest = slices.MinFunc(names, func(a, b string) int { return distance(name, a) - distance(name, b) })
	return nearest, distance(name, nearest) <= max(2, len(name)/3)
}

// distance is Levenshtein's: the least number of letters to insert, delete or
// change to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
