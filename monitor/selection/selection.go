// Package selection chooses which of the logged pictures are worth learning from, or worth a label: those that the model was unsure of
// and those that are unlike what it was trained on, all classes alike, and each picture once.
package selection

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// Candidate is a picture that may be chosen.
type Candidate struct {
	ID      int64   // of the answer; no two are the same
	Class   string  // the true class or, where it is not known, the one that was answered
	Entropy float64 // of the answer, in nats
	OOD     float64 // how far out of distribution the picture is; NaN where it is not known
	Hash    uint64  // perceptual, as package phash has it
}

// Options says how to choose.
type Options struct {
	Max      int  // pictures; 0: all
	Distance int  // up to how many bits of their hashes pictures are duplicates
	True     bool // the classes are the true ones: duplicates of two classes contradict each other
}

// Choice is what was chosen, and why the others were not.
type Choice struct {
	IDs        []int64 // by priority, highest first
	Duplicates int     // left out as they look like one of higher priority
	Conflicts  int     // left out as they look alike and have different true classes
	Beyond     int     // left out as they are more than Options.Max
}

// Choose is a function of its arguments, whatever the order of the candidates.
//
// The priority is the mean of two ranks, by entropy and by OOD, each from 0 to 1. Equal values share a rank; one that is not known
// ranks in the middle. Of equal priorities the later answer comes first. With Max, the classes take turns, each with its own highest
// priority; what a class has too few of goes to the others.
func Choose(candidates []Candidate, o Options) Choice {
	ranked := byPriority(candidates)
	var c Choice
	kept := c.distinct(ranked, o)
	if o.Max > 0 && len(kept) > o.Max {
		c.Beyond = len(kept) - o.Max
		kept = balanced(kept, o.Max)
	}
	for _, r := range kept {
		c.IDs = append(c.IDs, r.ID)
	}
	return c
}

// ranking is a candidate in its order.
type ranking struct {
	Candidate
	priority float64
}

func byPriority(candidates []Candidate) []ranking {
	out := make([]ranking, len(candidates))
	for i, c := range candidates {
		out[i].Candidate = c
	}
	for _, of := range []func(Candidate) float64{
		func(c Candidate) float64 { return c.Entropy }, func(c Candidate) float64 { return c.OOD },
	} {
		addRanks(out, of)
	}
	slices.SortFunc(out, func(a, b ranking) int {
		return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(b.ID, a.ID))
	})
	return out
}

// addRanks adds half of each one's rank by a value.
func addRanks(all []ranking, of func(Candidate) float64) {
	const middle = 0.5
	var known []int
	for i := range all {
		if math.IsNaN(of(all[i].Candidate)) {
			all[i].priority += middle / 2
			continue
		}
		known = append(known, i)
	}
	slices.SortFunc(known, func(a, b int) int { return cmp.Compare(of(all[a].Candidate), of(all[b].Candidate)) })
	for from := 0; from < len(known); {
		to := from + 1
		for to < len(known) && of(all[known[to]].Candidate) == of(all[known[from]].Candidate) {
			to++
		}
		rank := middle
		if len(known) > 1 {
			rank = float64(from+to-1) / 2 / float64(len(known)-1)
		}
		for _, i := range known[from:to] {
			all[i].priority += rank / 2
		}
		from = to
	}
}

// distinct keeps the first of those that look alike, and none of them where they contradict each other.
func (c *Choice) distinct(ranked []ranking, o Options) []ranking {
	type group struct {
		ranking
		others  int
		dispute bool
	}
	var groups []group
	var hashes []uint64 // of the groups, close together: each picture is compared with all of them
	for _, r := range ranked {
		i := slices.IndexFunc(hashes, func(h uint64) bool { return bits.OnesCount64(h^r.Hash) <= o.Distance })
		if i < 0 {
			groups, hashes = append(groups, group{ranking: r}), append(hashes, r.Hash)
			continue
		}
		groups[i].others++
		groups[i].dispute = groups[i].dispute || o.True && groups[i].Class != r.Class
	}
	var kept []ranking
	for _, g := range groups {
		if g.dispute {
			c.Conflicts += 1 + g.others
			continue
		}
		c.Duplicates += g.others
		kept = append(kept, g.ranking)
	}
	return kept
}

// balanced takes most of the ranked, from all classes in turn.
func balanced(ranked []ranking, most int) []ranking {
	turns := map[string]int{} // that each class has had
	type place struct{ turn, rank int }
	places := make([]place, len(ranked))
	for i, r := range ranked {
		places[i] = place{turns[r.Class], i}
		turns[r.Class]++
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Or(cmp.Compare(a.turn, b.turn), cmp.Compare(a.rank, b.rank)) })
	places = places[:most]
	slices.SortFunc(places, func(a, b place) int { return cmp.Compare(a.rank, b.rank) })
	out := make([]ranking, most)
	for i, p := range places {
		out[i] = ranked[p.rank]
	}
	return out
}
