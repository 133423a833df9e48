package server

import (
	"testing"
	"time"

	"github.com/torchlit/torchlit/monitor/predlog"
)

// BenchmarkLogged prints how many requests/s a server whose model costs nothing answers with a prediction log, as a share of those
// without, in turns. Both run on the cores that the log's writer uses, too, and the writer takes all that is offered.
func BenchmarkLogged(b *testing.B) {
	for _, r := range smallRequests {
		b.Run(r.name, func(b *testing.B) {
			log, err := predlog.Open(predlog.Config{Dir: b.TempDir(), Vectors: 1})
			if err != nil {
				b.Fatal(err)
			}
			defer log.Close(b.Context())
			with, without := serveNull(b, r, log), serveNull(b, r, nil)
			const turn = 500 * time.Millisecond
			var ratios, rates []float64
			for b.Loop() {
				x, y := with.rate(b, turn), without.rate(b, turn)
				ratios, rates = append(ratios, x/y), append(rates, x)
			}
			c := log.Counts()
			b.ReportMetric(middle(rates), "requests/s")
			b.ReportMetric(middle(ratios), "share")
			b.ReportMetric(float64(c.Dropped["queue_full"])/float64(c.Records+c.Dropped["queue_full"]), "dropped")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// serveNull serves the null model over loopback until the benchmark ends.
func serveNull(b *testing.B, r smallRequest, log PredictionLog) *hammer {
	s, err := Open(Config{Models: []Model{nullModel()}, PredictionLog: log})
	if err != nil {
		b.Fatal(err)
	}
	ln := loopback(b)
	go s.Serve(ln)
	b.Cleanup(func() { _ = s.Close() })
	return newHammer(ln.Addr().String(), r.path, r.header, r.body)
}
