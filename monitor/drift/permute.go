package drift

import "math/rand/v2"

const (
	// together is how many permutations are summed in one pass over the kernel, which is larger than the processor's nearest cache.
	together = 16
	// sameSum is how much two equal discrepancies may differ by rounding: then a permutation counts as one that differs as much.
	sameSum = 1e-6
)

// division divides all rows into two groups of n and m, of which it follows the smaller: what is within the other, and between
// them, comes of the sums of the kernel's rows.
type division struct {
	t        *MMD
	small    int
	large    int
	first    int // row of the kernel where the actual smaller group begins
	total    float64
	position []int
}

func newDivision(t *MMD, n, m int) *division {
	d := &division{t: t, small: n, large: m, position: make([]int, together)}
	if m < n {
		d.small, d.large, d.first = m, n, n
	}
	for _, s := range t.sums {
		d.total += float64(s) / 2
	}
	return d
}

// actual is the smaller group as it was given.
func (d *division) actual() []uint16 {
	rows := make([]uint16, d.small)
	for i := range rows {
		rows[i] = uint16(d.first + i)
	}
	return rows
}

// statistics are the discrepancies when the smaller group has these rows, each list in ascending order; at most together lists.
func (d *division) statistics(groups [][]uint16) []float64 {
	pairs := d.within(groups) // each once
	n, m := float64(d.small), float64(d.large)
	for b, group := range groups {
		within, all := pairs[b], 0.0
		for _, i := range group {
			all += float64(d.t.sums[i])
		}
		between := all - 2*within
		other := d.total - within - between
		pairs[b] = 2*within/(n*(n-1)) + 2*other/(m*(m-1)) - 2*between/(n*m)
	}
	return pairs
}

// within are the sums of the kernel over the pairs of each group.
func (d *division) within(groups [][]uint16) []float64 {
	sums := make([]float64, len(groups))
	position := d.position[:len(groups)]
	clear(position)
	for i := range d.t.stride {
		row := d.t.kernel[i*d.t.stride : (i+1)*d.t.stride]
		for b, group := range groups {
			if at := position[b]; at < len(group) && int(group[at]) == i {
				position[b]++
				sums[b] += gather(row, group[at+1:])
			}
		}
	}
	return sums
}

// gather is the sum of the row at the given places. Four sums do not wait for each other.
func gather(row []float32, places []uint16) float64 {
	var a, b, c, d float32
	for len(places) >= 8 {
		p := (*[8]uint16)(places) // one check of bounds instead of eight
		a += row[p[0]]
		b += row[p[1]]
		c += row[p[2]]
		d += row[p[3]]
		a += row[p[4]]
		b += row[p[5]]
		c += row[p[6]]
		d += row[p[7]]
		places = places[8:]
	}
	for _, j := range places {
		a += row[j]
	}
	return float64(a) + float64(b) + float64(c) + float64(d)
}

// pValue draws permutations until they are as many as asked for, or a tenth of that number reached the statistic.
func (d *division) pValue(statistic float64, permutations int, seed uint64) float64 {
	rng := rand.NewPCG(seed, 0)
	groups := make([][]uint16, min(together, max(permutations, 0)))
	for b := range groups {
		groups[b] = make([]uint16, d.small)
	}
	enough, reached := max(permutations/10, 1), 0
	for done := 0; done < permutations; {
		batch := groups[:min(together, permutations-done)]
		for _, group := range batch {
			choose(group, d.small+d.large, rng)
		}
		for _, s := range d.statistics(batch) {
			done++
			if s < statistic-sameSum {
				continue
			}
			if reached++; reached == enough && done < permutations {
				return float64(reached) / float64(done)
			}
		}
	}
	return float64(1+reached) / float64(1+permutations)
}

// choose fills group with different numbers below n in ascending order, all sets being equally likely but for 2^-32: Knuth, The Art
// of Computer Programming, volume 2, 3.4.2, algorithm S. A draw is stored before it is known to be wanted: a branch on it would be
// guessed wrongly every other time.
func choose(group []uint16, n int, rng *rand.PCG) {
	var bits uint64
	for i, at := 0, 0; at < len(group); i++ {
		if bits >>= 32; i%2 == 0 {
			bits = rng.Uint64()
		}
		group[at] = uint16(i)
		if bits&0xffffffff*uint64(n-i)>>32 < uint64(len(group)-at) {
			at++
		}
	}
}
