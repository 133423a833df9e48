// Package reference writes the pages of docs/source/reference: it makes Markdown of commands, settings, metrics and the description of
// the API, as the program itself has them, so that nothing is said twice. A test of cmd/torchlit hands them over, and compares.
package reference

import (
	"fmt"
	"strings"
)

// page is a page in the making.
type page struct{ strings.Builder }

// newPage begins one. Whoever opens the file to change it is told where to.
func newPage(title, from, intro string) *page {
	p := new(page)
	p.f("# %s\n\n<!-- Made of %s by \"make reference\". -->\n\n%s\n", title, from, intro)
	return p
}

func (p *page) f(format string, args ...any) { fmt.Fprintf(p, format, args...) }

// paragraph adds text as it is, set off from what is before.
func (p *page) paragraph(text string) {
	if text = strings.TrimSpace(text); text != "" {
		p.f("\n%s\n", text)
	}
}

// block adds text that keeps its lines.
func (p *page) block(text string) {
	if text = strings.Trim(text, "\n"); text != "" {
		p.f("\n```text\n%s\n```\n", text)
	}
}

// table adds a table, which is left out when it has no rows.
func (p *page) table(head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	p.f("\n| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat(" --- |", len(head)))
	for _, row := range rows {
		p.f("| %s |\n", strings.Join(row, " | "))
	}
}

// plain keeps what a sentence holds from being taken for Markdown or HTML.
var plain = strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "\n", " ", "[", `\[`).Replace

// cell is a text that may hold Markdown, in one line of a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

// code sets a value off; nothing stays nothing.
func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(s, "|", `\|`) + "`"
}
