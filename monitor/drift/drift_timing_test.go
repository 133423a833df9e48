package drift

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// measure reports the processor's time beside the wall clock's, which other programs of the machine make longer.
func measure(b *testing.B, run func(i int)) {
	b.ReportAllocs()
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	begin, n := used(), 0
	for b.Loop() {
		run(n)
		n++
	}
	b.ReportMetric(float64((used()-begin).Nanoseconds())/float64(n), "cpu-ns/op")
}

func BenchmarkKS(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 0))
	reference := sorted(rng, 2000, 0)
	for _, c := range []struct {
		name  string
		shift float64
	}{{"same", 0}, {"drift", 0.2}, {"limit", 1}} {
		window := sorted(rng, 500, c.shift)
		b.Run(c.name, func(b *testing.B) { measure(b, func(int) { KS(reference, window) }) })
	}
}

func BenchmarkNewMMD(b *testing.B) {
	reference := normal(rand.New(rand.NewPCG(1, 0)), 500, 33, 0)
	measure(b, func(int) { NewMMD(reference) })
}

func BenchmarkMMD(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 0))
	t := NewMMD(normal(rng, 500, 33, 0))
	same, drifted := normal(rng, 500, 33, 0), normal(rng, 500, 33, 0.2)
	b.Run("same", func(b *testing.B) { measure(b, func(i int) { t.Test(same, 200, uint64(i)) }) })
	b.Run("drift", func(b *testing.B) { measure(b, func(i int) { t.Test(drifted, 200, uint64(i)) }) })
}

func BenchmarkClassifier(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 0))
	reference := normal(rng, 500, 33, 0)
	for _, c := range []struct {
		name  string
		shift float64
	}{{"same", 0}, {"drift", 0.2}, {"far", 2}} {
		window := normal(rng, 500, 33, c.shift)
		b.Run(c.name, func(b *testing.B) { measure(b, func(i int) { Classifier(reference, window, uint64(i)) }) })
	}
}

func BenchmarkFitProjection(b *testing.B) {
	rows := normal(rand.New(rand.NewPCG(1, 0)), 2000, 512, 0)
	measure(b, func(int) {
		if _, err := FitProjection(rows, 32); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkProjection(b *testing.B) {
	rows := normal(rand.New(rand.NewPCG(1, 0)), 600, 512, 0)
	p, err := FitProjection(rows, 32)
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]float32, 0, 33)
	measure(b, func(int) { dst = p.Apply(dst[:0], rows[0]) })
}

func BenchmarkMahalanobis(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 0))
	for name, n := range map[string]int{"10 classes": 10, "1000 classes": 1000} {
		rows, classes := normal(rng, 3000, 33, 0), make([]int, 3000)
		for i := range classes {
			classes[i] = i % n
		}
		m, err := FitMahalanobis(rows, classes, n)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) { measure(b, func(i int) { m.Score(rows[i%3000]) }) })
	}
}

func BenchmarkChiSquareAndPSI(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 0))
	reference, window := sorted(rng, 2000, 0), sorted(rng, 500, 0)
	edges := Edges(reference, 10)
	counts := Bin(edges, reference)
	measure(b, func(int) {
		w := Bin(edges, window)
		ChiSquare(counts, w)
		PSIPValue(PSI(Shares(counts), Shares(w)), 2000, 500, len(w))
	})
}
