package main

import (
	"bytes"
	"fmt"
	"html"
	"slices"
	"strings"
)

// frame is a function as it was called, with its share of the samples.
type frame struct {
	name     string
	total    int64
	children map[string]*frame
}

func (f *frame) child(name string) *frame {
	if f.children == nil {
		f.children = map[string]*frame{}
	}
	c := f.children[name]
	if c == nil {
		c = &frame{name: name}
		f.children[name] = c
	}
	return c
}

// depth counts the rows that are drawn.
func (f *frame) depth(least int64) int {
	deepest := 0
	for _, c := range f.children {
		if c.total >= least {
			deepest = max(deepest, c.depth(least))
		}
	}
	return deepest + 1
}

// short is a function's name without the path of its module.
func short(name string) string {
	name = strings.TrimPrefix(name, "github.com/torchlit/torchlit/")
	if name == "runtime._ExternalCode" {
		return "threads that C++ started (libtorch's teams)"
	}
	return name
}

// Measures of the graph, in pixels.
const (
	graphWidth = 1200.0
	rowHeight  = 17
	margin     = 10
	header     = 44
	letter     = 6.7 // a letter of 11 px
	// thinnest is the narrowest box that is drawn.
	thinnest = 0.6
)

// draw writes the tree with its root at the bottom.
func draw(root *frame, title string) []byte {
	least := int64(float64(root.total) * thinnest / graphWidth)
	depth := root.depth(least)
	height := header + depth*rowHeight + 2*margin
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %d" font-family="monospace" font-size="11">`+"\n", graphWidth+2*margin, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/>`+"\n")
	fmt.Fprintf(&b, `<text x="%d" y="18" font-size="13">%s</text>`+"\n", margin, html.EscapeString(title))
	x := float64(margin)
	for _, k := range kinds {
		fmt.Fprintf(&b, `<rect x="%.0f" y="26" width="10" height="10" fill="%s"/><text x="%.0f" y="35">%s</text>`+"\n", x, k.colour, x+14, k.what)
		x += 34 + letter*float64(len(k.what))
	}
	root.draw(&b, margin, height-margin-rowHeight, root.total, least)
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func (f *frame) draw(b *bytes.Buffer, x float64, y int, all, least int64) {
	width := graphWidth * float64(f.total) / float64(all)
	share := 100 * float64(f.total) / float64(all)
	name := html.EscapeString(f.name)
	fmt.Fprintf(b, `<g><title>%s: %.1f %%</title><rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" rx="1"/>`,
		name, share, x, y, max(0.5, width-0.5), rowHeight-1, colour(f.name))
	if fit := int((width - 6) / letter); fit >= 3 {
		label := fmt.Sprintf("%s %.1f %%", f.name, share)
		if len(label) > fit {
			label = label[:fit-2] + ".."
		}
		fmt.Fprintf(b, `<text x="%.1f" y="%d">%s</text>`, x+3, y+12, html.EscapeString(strings.ToValidUTF8(label, "")))
	}
	b.WriteString("</g>\n")
	children := make([]*frame, 0, len(f.children))
	for _, c := range f.children {
		if c.total >= least {
			children = append(children, c)
		}
	}
	slices.SortFunc(children, func(a, b *frame) int { return strings.Compare(a.name, b.name) })
	for _, c := range children {
		c.draw(b, x, y-rowHeight, all, least)
		x += graphWidth * float64(c.total) / float64(all)
	}
}

// kinds colour the functions: the first that a name belongs to.
var kinds = []struct {
	what, colour string
	parts        []string
}{
	{"decode and resize", "#f4a261", []string{"vision", "turbojpeg", "Resize", "resize", "ImageResize", "image_resize"}},
	{"inference", "#e76f51", []string{"predict.", "torch/", "libtorch", "C++"}},
	{"batching", "#8ab17d", []string{"batching."}},
	{"server", "#7fb7d6", []string{"server", "fasthttp", "net.", "net/", "bufio", "syscall", "internal/poll", "cmd/torchlit", "main."}},
	{"Go's runtime and the rest", "#d9d4c7", []string{""}},
}

func colour(name string) string {
	for _, k := range kinds {
		if slices.ContainsFunc(k.parts, func(part string) bool { return strings.Contains(name, part) }) {
			return k.colour
		}
	}
	panic("BUG: the last kind has all that is left")
}
