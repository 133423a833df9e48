package predlog

import (
	"context"
	"testing"

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

// BenchmarkWrite is what the writer takes for an answer.
func BenchmarkWrite(b *testing.B) {
	for name, vectors := range map[string]bool{"row": false, "vectors": true} {
		b.Run(name, func(b *testing.B) {
			cfg := Config{Dir: b.TempDir()}
			cfg.setDefaults()
			f, err := openFile(&cfg)
			if err != nil {
				b.Fatal(err)
			}
			defer f.close()
			for n := 0; n < b.N; n += 1000 {
				err := f.transact(func(ctx context.Context) error {
					for i := range 1000 {
						if err := f.add(ctx, answerTo(n+i), vectors); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFeedback has 32 callers bring labels at once: they share syncs.
func BenchmarkFeedback(b *testing.B) {
	l := open(b, Config{})
	l.Record(answerTo(0))
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := l.Feedback(context.Background(), "pets", []monitor.Label{{RequestID: "r0"}}); err != nil {
				b.Error(err)
			}
		}
	})
}
