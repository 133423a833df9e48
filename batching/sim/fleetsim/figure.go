package main

import (
	"github.com/torchlit/torchlit/batching/sim/chart"
	"github.com/torchlit/torchlit/batching/sim/fleet"
)

// drawTimeline draws what callers got, what was there, and the p99, against time in minutes. The dotted line is what came, of the
// first variant; nodes are labelled so many apart.
func drawTimeline(title string, vs []variant, mostRate, mostNodes, minutes, apart float64) ([]byte, error) {
	f := chart.Figure{Title: title, Rows: 1}
	answers := chart.Panel{Title: "answers in time, images/s", X: "minutes", MaxX: minutes, MaxY: mostRate}
	nodes := chart.Panel{Title: "nodes that are paid for", X: "minutes", MaxX: minutes, MaxY: mostNodes}
	for n := 0.0; n <= mostNodes; n += apart {
		nodes.TickY = append(nodes.TickY, n)
	}
	p99 := chart.Panel{Title: "p99 latency of answers / ms", X: "minutes", MaxX: minutes, MinY: 5, MaxY: 2000, Log: true, Bound: []float64{1000}}
	for i, v := range vs {
		f.Names = append(f.Names, v.name)
		step := v.config.Step
		var x, good, offered, paid, late []float64
		for _, m := range v.outcome.Series {
			x = append(x, (m.At + step/2).Minutes())
			good = append(good, float64(m.Good)/step.Seconds())
			offered = append(offered, float64(m.Offered)/step.Seconds())
			paid = append(paid, float64(m.Paid))
			late = append(late, m.Quantile(.99).Seconds()*1000)
		}
		answers.Lines = append(answers.Lines, chart.Line{X: x, Y: good})
		nodes.Lines = append(nodes.Lines, chart.Line{X: x, Y: paid})
		p99.Lines = append(p99.Lines, chart.Line{X: x, Y: late})
		if i == 0 {
			answers.Ground = &chart.Line{X: x, Y: offered}
		}
	}
	f.Panels = []chart.Panel{answers, nodes, p99}
	return f.Draw()
}

// drawLoad draws the p99 against the load, of fleets of several sizes and by the rule.
func drawLoad(n fleet.Node, curves []curve) ([]byte, error) {
	f := chart.Figure{Title: "What a load costs: p99 of ResNet18 in fp32 on nodes of two CPU cores", Rows: 1}
	p := chart.Panel{Title: "p99 latency / ms, against load / capacity", MinX: 0.2, MaxX: 1, MinY: 10, MaxY: 1000, Log: true, X: "load / capacity"}
	for _, c := range curves {
		line := chart.Line{X: loads}
		for _, d := range c.p99 {
			line.Y = append(line.Y, d.Seconds()*1000)
		}
		f.Names, p.Lines = append(f.Names, c.name), append(p.Lines, line)
	}
	rule := chart.Line{X: loads}
	for _, load := range loads {
		rule.Y = append(rule.Y, ruleP99(n, load).Seconds()*1000)
	}
	f.Names, p.Lines = append(f.Names, "the rule of thumb"), append(p.Lines, rule)

	f.Panels = []chart.Panel{p}
	return f.Draw()
}
