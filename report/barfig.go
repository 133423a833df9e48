package report

import (
	"errors"
	"fmt"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Bars is rates of several contenders, as benchmarks have them: a panel for each setting, in it a group of bars for each column.
type Bars struct {
	Title   string
	Unit    string   // of the values
	X       string   // what the columns are
	Columns []string // names of the groups, the same in all panels
	Panels  []BarPanel
}

// BarPanel is one setting.
type BarPanel struct {
	Title string
	Rows  []Bar // a contender has the same colour in all panels; at most five in all
}

// Bar is one contender.
type Bar struct {
	Name   string
	Values []float64 // one for each column; 0 was not measured
}

const (
	barPanelWidth  vg.Length = 225
	barPanelHeight vg.Length = 190
)

// Draw draws them to path, which ends in .png or .svg, or has neither and gets both; its folder is made.
func (b Bars) Draw(path string) error {
	names, err := b.names()
	if err != nil {
		return fmt.Errorf("cannot draw bars %q: %w", path, err)
	}
	panels := vg.Length(len(b.Panels))
	f := figure{title: b.Title, about: b.Title, width: panels * barPanelWidth, height: barPanelHeight}
	for i, name := range names {
		f.legend = append(f.legend, entry{name, stroke(series[i], 7)})
	}
	f.draw = func(c draw.Canvas) {
		for i, p := range b.Panels {
			b.panel(sub(c, vg.Length(i)*barPanelWidth, 0, barPanelWidth-12, barPanelHeight), p, names)
		}
	}
	return f.write(path)
}

// names lists the contenders, in the order in which they first come.
func (b Bars) names() (names []string, err error) {
	for _, p := range b.Panels {
		for _, row := range p.Rows {
			if len(row.Values) != len(b.Columns) {
				return nil, fmt.Errorf("%s has %d values for %d columns", row.Name, len(row.Values), len(b.Columns))
			}
			if !slices.Contains(names, row.Name) {
				names = append(names, row.Name)
			}
		}
	}
	if len(names) == 0 || len(names) > len(series) {
		return nil, fmt.Errorf("there are %d contenders, and colours for %d", len(names), len(series))
	}
	if len(b.Columns) == 0 {
		return nil, errors.New("there are no columns")
	}
	return names, nil
}

func (b Bars) panel(c draw.Canvas, panel BarPanel, names []string) {
	title := boldStyle(labelSize, ink)
	title.XAlign, title.YAlign = text.XCenter, text.YTop
	c.FillText(title, vg.Point{X: (c.Min.X + c.Max.X) / 2, Y: c.Max.Y}, panel.Title)
	p := newPlot(b.X, b.Unit)
	const gap = 0.2 // of a group's width
	each := (1 - gap) / float64(len(panel.Rows))
	most := 0.0
	for i, row := range panel.Rows {
		color := series[slices.Index(names, row.Name)]
		for j, v := range row.Values {
			left := float64(j) - (1-gap)/2 + float64(i)*each
			p.Add(bar{left, left + each, 0, v, color})
			most = max(most, v)
		}
	}
	var ticks plot.ConstantTicks
	for j, name := range b.Columns {
		ticks = append(ticks, plot.Tick{Value: float64(j), Label: name})
	}
	p.X.Min, p.X.Max, p.X.Tick.Marker = -0.5, float64(len(b.Columns))-0.5, ticks
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, most*1.05, plot.TickerFunc(roundTicks)
	p.Draw(draw.Crop(c, 0, 0, 0, -14))
}
