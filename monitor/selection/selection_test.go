package selection_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/torchlit/torchlit/monitor/selection"
)

// apart are hashes that are no duplicates of each other.
func apart(i int) uint64 { return rand.New(rand.NewPCG(uint64(i), 0)).Uint64() }

func one(id int64, class string, entropy, ood float64) selection.Candidate {
	return selection.Candidate{ID: id, Class: class, Entropy: entropy, OOD: ood, Hash: apart(int(id))}
}

func TestPriority(t *testing.T) {
	nan := math.NaN()
	f := func(want []int64, c ...selection.Candidate) {
		t.Helper()
		assert.Equal(t, want, selection.Choose(c, selection.Options{Distance: 4}).IDs)
	}
	// Without scores, and with scores that are all the same, entropy decides.
	f([]int64{2, 3, 1}, one(1, "a", 0.1, nan), one(2, "a", 2, nan), one(3, "a", 1, nan))
	f([]int64{2, 3, 1}, one(1, "a", 0.1, 0), one(2, "a", 2, 0), one(3, "a", 1, 0))
	// A strange picture goes before one that is a little less sure.
	f([]int64{1, 2, 3}, one(1, "a", 1.1, 9), one(2, "a", 1.2, 1), one(3, "a", 1, 2))
	// What is not known ranks in the middle.
	f([]int64{3, 2, 1}, one(1, "a", 1, 1), one(2, "a", 1, nan), one(3, "a", 1, 2))
	// The later answer goes first.
	f([]int64{7, 5, 2}, one(5, "a", 1, 1), one(2, "a", 1, 1), one(7, "a", 1, 1))
	f(nil)
	f([]int64{4}, one(4, "a", 1, nan))
}

func TestClassesTakeTurns(t *testing.T) {
	var all []selection.Candidate
	for i := range 30 {
		class := "frequent"
		switch {
		case i < 2:
			class = "rare"
		case i < 8:
			class = "middling"
		}
		all = append(all, one(int64(i), class, float64(i), 0)) // the rare ones are the surest
	}
	count := func(most int) string {
		c := selection.Choose(all, selection.Options{Max: most, Distance: 4})
		assert.Len(t, c.IDs, most)
		assert.Equal(t, 30-most, c.Beyond)
		assert.True(t, slices.IsSortedFunc(c.IDs, func(a, b int64) int { return int(b - a) }), "by priority")
		n := map[string]int{}
		for _, id := range c.IDs {
			n[all[id].Class]++
		}
		return fmt.Sprint(n["rare"], n["middling"], n["frequent"])
	}
	assert.Equal(t, "1 1 1", count(3))
	assert.Equal(t, "2 5 5", count(12))
	assert.Equal(t, "2 6 12", count(20), "what a class lacks goes to the others")
	c := selection.Choose(all, selection.Options{Max: 4, Distance: 4})
	assert.Equal(t, []int64{29, 28, 7, 1}, c.IDs, "what is over goes to the highest priority")
	assert.Zero(t, selection.Choose(all, selection.Options{Max: 30}).Beyond)
}

func TestDuplicates(t *testing.T) {
	a, b, c, d := one(1, "cat", 3, 0), one(2, "cat", 2, 0), one(3, "dog", 1, 0), one(4, "dog", 0.5, 0)
	b.Hash = a.Hash ^ 0b1111
	f := func(distance int, trueClasses bool, want selection.Choice, all ...selection.Candidate) {
		t.Helper()
		rng := rand.New(rand.NewPCG(1, 1))
		for range 3 {
			rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			assert.Equal(t, want, selection.Choose(all, selection.Options{Distance: distance, True: trueClasses}))
		}
	}
	f(4, true, selection.Choice{IDs: []int64{1, 3, 4}, Duplicates: 1}, a, b, c, d)
	f(3, true, selection.Choice{IDs: []int64{1, 2, 3, 4}}, a, b, c, d)
	b.Class = "dog"
	f(4, true, selection.Choice{IDs: []int64{3, 4}, Conflicts: 2}, a, b, c, d)
	f(4, false, selection.Choice{IDs: []int64{1, 3, 4}, Duplicates: 1}, a, b, c, d)
}
