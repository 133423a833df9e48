package main

import (
	"fmt"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// progress shows a download: a bar on a terminal, a line every tenth in a log.
// For one goroutine.
type progress struct {
	out   *os.File
	title string
	bars  *mpb.Progress // nil: lines
	bar   *mpb.Bar
	tenth int64 // last one printed
	begun bool
	last  time.Time // of the last update, for the speed
}

func newProgress(out *os.File, title string) *progress {
	p := &progress{out: out, title: title}
	if term.IsTerminal(int(out.Fd())) {
		p.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40))
	}
	return p
}

func (p *progress) update(done, total int64) {
	if !p.begun && done >= total {
		return // nothing to fetch
	}
	if p.bars == nil {
		p.line(done, total)
		return
	}
	if !p.begun {
		p.bar = p.bars.AddBar(total,
			mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(p.title+" "), decor.CountersKibiByte("% .0f / % .0f")),
			mpb.AppendDecorators(decor.EwmaSpeed(decor.SizeB1024(0), "% .1f ", 400), decor.EwmaETA(decor.ET_STYLE_MMSS, 400)))
		p.bar.SetCurrent(done)
		p.bar.SetRefill(done) // what an earlier run had fetched
		p.begun, p.last = true, time.Now()
		return
	}
	now := time.Now()
	p.bar.EwmaSetCurrent(done, now.Sub(p.last))
	p.last = now
}

func (p *progress) line(done, total int64) {
	tenth := done * 10 / total
	if p.begun && tenth == p.tenth {
		return
	}
	p.begun, p.tenth = true, tenth
	fmt.Fprintf(p.out, "%s: %d of %d MB\n", p.title, done>>20, total>>20)
}

func (p *progress) retry(err error, wait time.Duration) {
	if p.bars != nil && p.begun {
		fmt.Fprintf(p.bars, "%v; trying again in %v\n", err, wait)
		return
	}
	fmt.Fprintf(p.out, "%v; trying again in %v\n", err, wait)
}

// finish takes the bar away, so that what follows stands on its own lines.
func (p *progress) finish() {
	if p.bars == nil {
		return
	}
	if p.bar != nil {
		p.bar.Abort(true)
	}
	p.bars.Wait()
	p.bars = nil
}
