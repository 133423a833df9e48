package bench

import (
	"fmt"
	"runtime"
	"time"
)

// Result is how a target fared. Rates are per second of the window; latencies are of the requests that were due in it.
type Result struct {
	Target Info `json:"target"`

	Mode        string   `json:"mode"` // "open" or "closed"
	Arrivals    Arrivals `json:"arrivals,omitempty"`
	Rate        float64  `json:"rate,omitempty"` // that was intended, of an open loop
	Clients     int      `json:"clients,omitempty"`
	Seed        uint64   `json:"seed,omitempty"`
	Warmup      float64  `json:"warmup_s"`
	Duration    float64  `json:"duration_s"`
	Deadline    float64  `json:"deadline_ms,omitempty"`
	Interrupted bool     `json:"interrupted,omitempty"` // the window is what there was of it

	Requests          int64   `json:"requests"` // that were due in the window
	RequestsPerSecond float64 `json:"requests_per_second"`
	ImagesPerSecond   float64 `json:"images_per_second"`

	// Latency is that of the answers, late ones included, and of requests that were given up. It is nil if there were none.
	Latency *Quantiles `json:"latency_ms"`
	// Service is that of the answers since they were really sent. What it has less than Latency is the client's own.
	Service *Quantiles `json:"service_ms"`

	// Goodput is the number of answers in time, a second; without a deadline all are. InTime is their share of the requests that
	// were not refused.
	Goodput float64 `json:"goodput"`
	InTime  float64 `json:"in_time_share"`

	Errors       int64            `json:"errors"` // failures: neither answered nor refused nor expired
	ErrorsByKind map[string]int64 `json:"errors_by_kind"`
	Refused      Turned           `json:"refused"`
	Expired      Turned           `json:"expired"`

	Client Client `json:"client"`
	// ClientLimited says that the figures are the client's rather than the server's, and why.
	ClientLimited bool   `json:"client_limited"`
	Why           string `json:"client_limited_why,omitempty"`

	Timeline []Moment `json:"timeline,omitempty"`
	Curve    []Point  `json:"latency_curve,omitempty"`

	Found *Found `json:"find_max,omitempty"` // of a search, which ended with this run

	Began   time.Time `json:"began"`
	Machine Machine   `json:"machine"` // the client's

	p99 time.Duration
}

// Turned counts requests that the server did not do.
type Turned struct {
	Count   int64      `json:"count"`
	Share   float64    `json:"share"` // of all requests
	Latency *Quantiles `json:"latency_ms"`
	Service *Quantiles `json:"service_ms"` // since they were really sent
}

// Client is how the load tool itself fared.
type Client struct {
	// Lag is how late requests were sent that found a free connection; in a closed loop, how late a clock of the client rang.
	Lag         *Quantiles `json:"lag_ms"`
	CPU         float64    `json:"cpu_share"`             // of all the processors it may use
	Connections int        `json:"connections,omitempty"` // most at once, in an open loop
	Capped      int64      `json:"capped"`                // requests that found no free connection
}

// Moment is a point of the timeline.
type Moment struct {
	At       float64 `json:"at_s"` // its begin, from that of the window
	Requests float64 `json:"requests_per_second"`
	Images   float64 `json:"images_per_second"`
	Refused  float64 `json:"refused_per_second"`
	Bad      float64 `json:"failed_per_second"` // expired ones too
	P50      float64 `json:"p50_ms"`            // of what was due then; 0 where nothing was
	P99      float64 `json:"p99_ms"`
	Max      float64 `json:"max_ms"`
}

func (r *run) result() *Result {
	m := r.rec.merged()
	l := r.load
	window := l.Duration
	interrupted := r.aborted || r.early
	if interrupted {
		window = max(0, min(window, r.stopped.Sub(r.rec.from)))
	}
	out := &Result{
		Target: r.target.Info(), Mode: "closed", Clients: l.Clients,
		Warmup: l.Warmup.Seconds(), Duration: window.Seconds(), Deadline: ms(l.Deadline), Interrupted: interrupted,
		Requests: m.due, Latency: m.waited.quantiles(), Service: m.service[Answered].quantiles(), p99: m.waited.quantile(0.99),
		Errors: m.latency[Failed].count(), ErrorsByKind: m.kinds,
		Refused: turned(m, Refused), Expired: turned(m, Expired),
		Curve: m.waited.curve(), Timeline: timeline(m.bins, r.rec.width, window),
		Began: r.start, Machine: ThisMachine(),
	}
	if l.Rate > 0 {
		out.Mode, out.Arrivals, out.Rate, out.Seed = "open", l.Arrivals, l.Rate, l.Seed
		out.Client.Connections = r.workers
	}
	if s := window.Seconds(); s > 0 {
		out.RequestsPerSecond = round(float64(m.done[Answered]) / s)
		out.ImagesPerSecond = round(float64(m.images) / s)
		out.Goodput = round(float64(m.goodDone) / s)
	}
	out.InTime = share(m.inTime, m.due-out.Refused.Count)
	out.Client.Lag, out.Client.Capped = m.lag.quantiles(), m.capped
	out.Client.CPU = r.cpuShare()
	out.Why = limit(m, out.Client.CPU, l)
	out.ClientLimited = out.Why != ""
	return out
}

func turned(m *shard, o Outcome) Turned {
	n := m.latency[o].count()
	return Turned{n, share(n, m.due), m.latency[o].quantiles(), m.service[o].quantiles()}
}

func share(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return round(float64(part) / float64(whole))
}

func timeline(bins []bin, width, window time.Duration) []Moment {
	var out []Moment
	for i := range bins {
		at := time.Duration(i) * width
		seconds := min(width, window-at).Seconds()
		if seconds <= 0 {
			break
		}
		b := &bins[i]
		out = append(out, Moment{
			At: at.Seconds(), Requests: round(float64(b.done[Answered]) / seconds), Images: round(float64(b.images) / seconds),
			Refused: round(float64(b.done[Refused]) / seconds), Bad: round(float64(b.done[Expired]+b.done[Failed]) / seconds),
			P50: ms(b.waited.quantile(0.5)), P99: ms(b.waited.quantile(0.99)), Max: ms(b.waited.quantile(1)),
		})
	}
	return out
}

func (r *run) cpuShare() float64 {
	took := r.usage[1].at.Sub(r.usage[0].at)
	if took <= 0 {
		return 0
	}
	used := r.usage[1].cpu - r.usage[0].cpu
	return round(used.Seconds() / (took.Seconds() * float64(runtime.GOMAXPROCS(0))))
}

// What makes the client the limit.
const (
	lagShare   = 0.2  // of the latency at the 99th percentile that is the client's own lateness
	cpuLimit   = 0.85 // of the processors that the client uses itself
	cappedMost = 0.01 // of the requests that found no free connection
	// smallLag is too little to matter, and the precision of the operating system's timers.
	smallLag = 200 * time.Microsecond
)

// limit returns why the client is the limit, or nothing.
func limit(m *shard, cpu float64, l Load) string {
	lag, latency := m.lag.quantile(0.99), m.waited.quantile(0.99)
	switch {
	case cpu > cpuLimit:
		return fmt.Sprintf("the client itself kept %.0f %% of its processors busy; give it more, or several machines", 100*cpu)
	case share(m.capped, m.due) > cappedMost:
		return fmt.Sprintf("%.1f %% of the requests waited for one of %d connections, because they came faster than they were answered; allow more connections, or ask for a lower rate", 100*share(m.capped, m.due), l.Connections)
	case lag > smallLag && float64(lag) > lagShare*float64(latency) && latency > 0 && l.Rate > 0:
		return fmt.Sprintf("at the 99th percentile %.3g of the %.3g ms of latency were the client's own, which sent late; run it on another machine than the server, or ask for a lower rate", ms(lag), ms(latency))
	case lag > smallLag && float64(lag) > lagShare*float64(latency) && latency > 0:
		return fmt.Sprintf("at the 99th percentile the client got its turn %.3g ms late, which is much of the latency of %.3g ms; run it on another machine than the server", ms(lag), ms(latency))
	}
	return ""
}
