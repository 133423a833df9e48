package accuracy

import (
	"math/rand/v2"
	"testing"
)

func BenchmarkFitIsotonic(b *testing.B) {
	score, correct := traffic(rand.New(rand.NewPCG(1, 0)), 10_000)
	b.ReportAllocs()
	for b.Loop() {
		FitIsotonic(score, correct)
	}
}

func BenchmarkEstimate(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 0))
	m := FitIsotonic(traffic(rng, 10_000))
	scores, _ := traffic(rng, 500)
	b.ReportMetric(float64(len(m.Blocks)), "blocks")
	b.ReportAllocs()
	for b.Loop() {
		m.Estimate(scores, 0)
	}
}
