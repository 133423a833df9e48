//go:build unix

package predlog

import (
	"context"
	"math/rand/v2"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/torchlit/torchlit/monitor"
)

func BenchmarkRecord(b *testing.B) {
	l := open(b, Config{Queue: 1 << 16})
	a := answerTo(1)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Record(a)
		}
	})
	b.ReportMetric(float64(l.Counts().Dropped["queue_full"])/float64(b.N), "dropped/op")
}

// eachDatabase runs a benchmark on a log in SQLite, and on one in PostgreSQL on the same machine.
func eachDatabase(b *testing.B, run func(b *testing.B, cfg Config)) {
	b.Run("sqlite", func(b *testing.B) { run(b, Config{Dir: b.TempDir()}) })
	b.Run("postgres", func(b *testing.B) { run(b, Config{DSN: postgres.Get(b).Database(b)}) })
}

// answersOf are n answers of a model of ten classes whose last layer has 512 values, as ResNet18's has.
func answersOf(n int) []monitor.Answer {
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]monitor.Answer, n)
	labels := []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}
	for i := range all {
		a := answerTo(i)
		a.RequestID, a.Labels = strconv.FormatUint(random.Uint64(), 16)+strconv.FormatUint(random.Uint64(), 16), labels
		a.Probabilities, a.Embedding = make([]float32, len(labels)), make([]float32, 512)
		for j := range a.Probabilities {
			a.Probabilities[j] = random.Float32() / 5
		}
		for j := range a.Embedding {
			a.Embedding[j] = random.Float32()
		}
		all[i] = *a
	}
	return all
}

// processorTime is what this process has taken so far. A server's own is not in it.
func processorTime(b *testing.B) float64 {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return float64(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkWrite is what the writer takes for an answer: the row alone, or with the probabilities and the embedding.
func BenchmarkWrite(b *testing.B) {
	for _, kept := range []string{"row", "vectors"} {
		b.Run(kept, func(b *testing.B) {
			eachDatabase(b, func(b *testing.B, cfg Config) {
				cfg.setDefaults()
				db, err := openDatabase(&cfg)
				if err != nil {
					b.Fatal(err)
				}
				defer db.close()
				answers := answersOf(batch)
				written, before := 0, processorTime(b)
				b.ResetTimer()
				for ; written < b.N; written += len(answers) {
					if err := db.write(answers, func(string) bool { return kept == "vectors" }, nil); err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				b.ReportMetric((processorTime(b)-before)/float64(written), "cpu-ns/op")
				bytes, err := reader(b, cfg).Bytes(context.Background())
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(bytes)/float64(written), "disk-B/op")
			})
		})
	}
}

// BenchmarkFeedback has 32 callers bring labels at once: they share syncs.
func BenchmarkFeedback(b *testing.B) {
	eachDatabase(b, func(b *testing.B, cfg Config) {
		cfg.Interval = time.Hour
		l := open(b, cfg)
		l.Record(answerTo(0))
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := l.Feedback(context.Background(), "pets", []monitor.Label{{RequestID: "r0"}}); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
