package report

import (
	"bytes"
	"fmt"
	"html"
	"image/color"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The size of most figures, in points: a phone's width at three quarters.
const (
	figureWidth  vg.Length = 320
	figureHeight vg.Length = 250
)

// figure is a drawing that can be made as PNG, as SVG and for the page.
type figure struct {
	name          string // of the files, without an ending
	title         string // above the drawing in the files; the page has its own headings
	about         string // for those who cannot see it
	width, height vg.Length
	legend        []entry
	draw          func(c draw.Canvas)
}

// entry is a line of a legend.
type entry struct {
	label string
	style draw.LineStyle // of a line; one of 4 points and more is shown as a square, one of 0 not at all
}

const (
	titleHeight  vg.Length = 24
	legendHeight vg.Length = 14
	legendGap    vg.Length = 5
	margin       vg.Length = 10
)

// render draws the figure, with title and margin or for the page.
func (f figure) render(c draw.Canvas, titled bool) {
	if titled {
		c.SetColor(sheet)
		c.Fill(c.Rectangle.Path())
		c = draw.Crop(c, margin, -margin, margin, -margin)
		style := boldStyle(titleSize, ink)
		style.YAlign = text.YTop
		c.FillText(style, vg.Point{X: c.Min.X, Y: c.Max.Y}, f.title)
		c = draw.Crop(c, 0, 0, 0, -titleHeight)
	}
	f.draw(f.drawLegend(c))
}

// size is that of the whole: the legend's lines come on top of the drawing.
func (f figure) size(titled bool) (width, height vg.Length) {
	width, height = f.width, f.height+vg.Length(len(f.legendRows()))*legendHeight
	if len(f.legend) > 0 {
		height += legendGap
	}
	if titled {
		width, height = width+2*margin, height+2*margin+titleHeight
	}
	return width, height
}

const legendLine vg.Length = 16

// sample is the width of the line or square before the label.
func (e entry) sample() vg.Length {
	switch {
	case e.style.Width >= 4:
		return 9
	case e.style.Width == 0:
		return -4 // a label alone
	}
	return legendLine
}

func (e entry) width() vg.Length {
	style := textStyle(labelSize, ink)
	return e.sample() + 4 + style.Width(e.label) + 14
}

// legendRows breaks the legend into rows as wide as the figure.
func (f figure) legendRows() (rows [][]entry) {
	used := f.width + 1
	for _, e := range f.legend {
		if used += e.width(); used > f.width {
			rows = append(rows, nil)
			used = e.width()
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], e)
	}
	return rows
}

// drawLegend draws it at the top and returns what is left of the canvas.
func (f figure) drawLegend(c draw.Canvas) draw.Canvas {
	style := textStyle(labelSize, ink)
	style.YAlign = text.YCenter
	for _, row := range f.legendRows() {
		at := vg.Point{X: c.Min.X, Y: c.Max.Y - legendHeight/2}
		for _, e := range row {
			if e.style.Width >= 4 {
				square(c, e.style.Color, at.X+4.5, at.Y, 8)
			} else {
				c.StrokeLine2(e.style, at.X, at.Y, at.X+legendLine, at.Y)
			}
			c.FillText(style, vg.Point{X: at.X + e.sample() + 4, Y: at.Y + 1}, e.label)
			at.X += e.width()
		}
		c = draw.Crop(c, 0, 0, 0, -legendHeight)
	}
	if len(f.legend) > 0 {
		c = draw.Crop(c, 0, 0, 0, -legendGap)
	}
	return c
}

func square(c draw.Canvas, fill color.Color, x, y, side vg.Length) {
	rectangle(c, fill, x-side/2, y-side/2, x+side/2, y+side/2)
}

func rectangle(c draw.Canvas, fill color.Color, x0, y0, x1, y1 vg.Length) {
	c.SetColor(fill)
	c.Fill(vg.Rectangle{Min: vg.Point{X: x0, Y: y0}, Max: vg.Point{X: x1, Y: y1}}.Path())
}

// png draws at twice a screen's usual density.
func (f figure) png() ([]byte, error) {
	width, height := f.size(true)
	canvas := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(192))
	f.render(draw.New(canvas), true)
	var b bytes.Buffer
	_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(&b)
	return b.Bytes(), err
}

func (f figure) svg(titled bool) (string, error) {
	width, height := f.size(titled)
	canvas := vgsvg.New(width, height)
	f.render(draw.New(canvas), titled)
	var b bytes.Buffer
	_, err := canvas.WriteTo(&b)
	// vgsvg writes PNG pictures and says that they are JPEG, and knows one font.
	out := fixWidths(b.String())
	out = strings.NewReplacer("data:image/jpg;", "data:image/png;",
		"font-family:Liberation Sans;", "font-family:'Liberation Sans',Arial,Helvetica,sans-serif;",
		"font-variant:normal;", "").Replace(out)
	return out, err
}

var svgText = regexp.MustCompile(`<text (x="[^"]*" y="[^"]*" transform="[^"]*"\s+style="([^"]*)")>([^<]*)</text>`)

// fixWidths says how wide each text is. It was placed by the width of our font,
// and would run into its neighbours in a wider one.
func fixWidths(svg string) string {
	return svgText.ReplaceAllStringFunc(svg, func(element string) string {
		part := svgText.FindStringSubmatch(element)
		size, err := strconv.ParseFloat(svgSize.FindStringSubmatch(part[2])[1], 64)
		if err != nil {
			panic("BUG: vgsvg writes another font size: " + element)
		}
		style := textStyle(vg.Length(size), ink)
		if strings.Contains(part[2], "font-weight:bold") {
			style = boldStyle(vg.Length(size), ink)
		}
		return fmt.Sprintf(`<text %s textLength="%.2f" lengthAdjust="spacingAndGlyphs">%s</text>`,
			part[1], style.Width(html.UnescapeString(part[3])).Points(), part[3])
	})
}

var (
	svgSize  = regexp.MustCompile(`font-size:([0-9.]+)px`)
	svgHead  = regexp.MustCompile(`(?s)^.*?<svg width="[^"]*" height="[^"]*" (viewBox="[^"]*")[^>]*>`)
	svgColor = regexp.MustCompile(`#[0-9A-F]{6}\b`)
)

// inline is the figure as a part of the page, in the page's colours.
func (f figure) inline() (string, error) {
	out, err := f.svg(false)
	if err != nil {
		return "", err
	}
	head := svgHead.FindStringSubmatch(out)
	if head == nil {
		panic("BUG: vgsvg writes another head")
	}
	body := svgColor.ReplaceAllStringFunc(out[len(head[0]):], variableOf)
	body = strings.ReplaceAll(body, "xlink:href=", "href=")
	return fmt.Sprintf(`<svg class="figure" style="--width:%.0f" role="img" aria-label="%s" %s>%s`,
		float64(f.width)*4/3, html.EscapeString(f.about), head[1], body), nil
}

// variableOf names the CSS variable of a colour. vgsvg divides by the opacity
// again, so that the colour can be off by a little.
func variableOf(hex string) string {
	v, err := strconv.ParseUint(hex[1:], 16, 32)
	if err != nil {
		return hex
	}
	c := rgb(uint32(v))
	for _, s := range shades {
		if near(c.R, s.color.R) && near(c.G, s.color.G) && near(c.B, s.color.B) {
			return "var(--" + s.variable + ")"
		}
	}
	panic("BUG: a figure has the colour " + hex + ", which the theme has not")
}

func near(a, b uint8) bool { return max(a, b)-min(a, b) <= 3 }

// write writes the figure to path: as PNG and SVG with these endings, or as the one
// that the path's ending asks for. Its folder is made.
func (f figure) write(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("cannot write figure: %w", err)
	}
	switch filepath.Ext(path) {
	case ".png":
		return save(path, f.png)
	case ".svg":
		return save(path, f.file)
	}
	if err := save(path+".png", f.png); err != nil {
		return err
	}
	return save(path+".svg", f.file)
}

// file is the SVG with title and margin.
func (f figure) file() ([]byte, error) {
	out, err := f.svg(true)
	return []byte(out), err
}

func save(path string, make func() ([]byte, error)) error {
	data, err := make()
	if err == nil {
		err = os.WriteFile(path, data, 0o644)
	}
	if err != nil {
		return fmt.Errorf("cannot write figure %q: %w", path, err)
	}
	return nil
}

// shorten cuts a label that is longer than n letters, and makes it one line of what
// an SVG may hold.
func shorten(label string, n int) string {
	letters := []rune(strings.Map(printable, label))
	if len(letters) > n {
		return strings.TrimSpace(string(letters[:n-1])) + "…"
	}
	return string(letters)
}

func printable(r rune) rune {
	if unicode.IsControl(r) || r == 0xfffe || r == 0xffff {
		return ' '
	}
	return r
}
