package pages

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
	"golang.org/x/net/html"
	"golang.org/x/text/unicode/norm"
)

// link is a link or an image of a page.
type link struct {
	line   int
	target string
	image  bool
}

func show(v any) string { return fmt.Sprintf("%+v", v) }

// readLinks reads all that is not code.
func (p *page) readLinks(source string) {
	src := []byte(source)
	p.ids, p.mkdocs = map[string]bool{}, map[string]string{}
	counts, mkCounts := map[string]int{}, map[string]int{}
	line := 1
	doc := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(src))
	err := ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		if n.Type() == ast.TypeBlock && n.Lines().Len() > 0 {
			line = 1 + bytes.Count(src[:n.Lines().At(0).Start], []byte("\n"))
		}
		switch n := n.(type) {
		case *ast.Heading:
			title := plain(n, src)
			id, mk := numbered(counts, githubID(title), "-"), numbered(mkCounts, mkdocsID(title), "_")
			p.ids[id], p.mkdocs[id] = true, mk
		case *ast.Text:
			line = 1 + bytes.Count(src[:n.Segment.Start], []byte("\n"))
		case *ast.Link:
			p.links = append(p.links, link{lineOf(n, src, line), string(n.Destination), false})
		case *ast.Image:
			p.links = append(p.links, link{lineOf(n, src, line), string(n.Destination), true})
		case *ast.AutoLink:
			p.links = append(p.links, link{line, string(n.URL(src)), false})
		case *ast.CodeSpan:
			p.inline = append(p.inline, inline{lineOf(n, src, line), plain(n, src)})
		case *ast.CodeBlock:
			p.indented = append(p.indented, line)
		case *ast.RawHTML:
			p.readHTML(string(n.Segments.Value(src)), line)
		case *ast.HTMLBlock:
			p.readHTML(string(n.Lines().Value(src)), line)
		case *ast.Paragraph, *ast.TextBlock:
			for _, lost := range lostReference.FindAllString(proseOf(n, src), -1) {
				p.broken = append(p.broken, mark{line, lost})
			}
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		panic("BUG: the walk returns no error: " + err.Error())
	}
}

// lineOf is the line on which the text in a link begins; a link without text stands on the line that was seen last.
func lineOf(n ast.Node, src []byte, last int) int {
	for c := n.FirstChild(); c != nil; c = c.FirstChild() {
		if t, ok := c.(*ast.Text); ok {
			return 1 + bytes.Count(src[:t.Segment.Start], []byte("\n"))
		}
	}
	return last
}

// plain is the text of a node without what marks it.
func plain(n ast.Node, src []byte) string {
	var out strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Text:
			if entering {
				out.Write(n.Segment.Value(src))
				if n.SoftLineBreak() {
					out.WriteByte(' ')
				}
			}
		case *ast.String:
			if entering {
				out.Write(n.Value)
			}
		}
		return ast.WalkContinue, nil
	})
	return out.String()
}

// lostReference is what a link to a reference looks like when nothing defines it: text.
var lostReference = regexp.MustCompile(`\[[^\]\[]+\]\[[^\]\[]*\]`)

// proseOf is a paragraph's own text: what is code or a link is left out.
func proseOf(n ast.Node, src []byte) string {
	var out strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if t, ok := c.(*ast.Text); ok {
			out.Write(t.Segment.Value(src))
		} else {
			out.WriteByte(' ')
		}
	}
	return out.String()
}

func (p *page) readHTML(text string, line int) {
	for z := html.NewTokenizer(strings.NewReader(text)); z.Next() != html.ErrorToken; {
		token := z.Token()
		for _, a := range token.Attr {
			switch {
			case token.Type == html.EndTagToken:
			case a.Key == "href" || a.Key == "src":
				p.links = append(p.links, link{line, a.Val, a.Key == "src"})
			case a.Key == "id" || a.Key == "name" && token.Data == "a":
				p.ids[a.Val] = true
			}
		}
	}
}

// githubID is the name that GitHub gives a heading: https://github.com/gjtorikian/html-pipeline, TableOfContentsFilter.
func githubID(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsNumber(r), unicode.IsMark(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(title))
}

var (
	mkdocsDrop = regexp.MustCompile(`[^a-z0-9_\s-]`)
	mkdocsJoin = regexp.MustCompile(`[-\s]+`)
)

// mkdocsID is the name that mkdocs gives it: slugify of Python-Markdown's extension toc.
func mkdocsID(title string) string {
	ascii := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(title))
	return mkdocsJoin.ReplaceAllString(strings.TrimSpace(mkdocsDrop.ReplaceAllString(ascii, "")), "-")
}

// numbered tells headings of the same name apart.
func numbered(counts map[string]int, id, sep string) string {
	n := counts[id]
	counts[id]++
	if n == 0 {
		return id
	}
	return fmt.Sprintf("%s%s%d", id, sep, n)
}
