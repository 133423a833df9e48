package reference

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// CLI is the page of a program's commands. Group returns the heading that a flag stands under, or "".
func CLI(root *cobra.Command, group func(*pflag.Flag) string) string {
	p := newPage("Command line", "the commands' own descriptions in cmd/torchlit",
		"What `"+root.Name()+" COMMAND --help` says, on one page. Exit codes: 0 done, 1 failed, 2 bad usage, and 3 where a command was asked whether "+
			"something is so and the answer is no. Flags of `serve` are keys of a file and variables, too: [Settings](config.md).")
	var rows [][]string
	commands(root, func(c *cobra.Command) {
		anchor := strings.ReplaceAll(c.CommandPath(), " ", "-")
		rows = append(rows, []string{fmt.Sprintf("[`%s`](#%s)", c.CommandPath(), anchor), plain(c.Short)})
	})
	p.table([]string{"command", "does"}, rows)
	commands(root, func(c *cobra.Command) { command(p, c, group) })
	return p.String()
}

// commands calls f with each command below c that is meant for people, in order.
func commands(c *cobra.Command, f func(*cobra.Command)) {
	for _, sub := range c.Commands() {
		if sub.Hidden || sub.Name() == "help" || sub.Name() == "completion" {
			continue
		}
		f(sub)
		commands(sub, f)
	}
}

func command(p *page, c *cobra.Command, group func(*pflag.Flag) string) {
	p.f("\n## %s\n", c.CommandPath())
	p.paragraph(plainParagraphs(cmp.Or(c.Long, c.Short)))
	p.block(c.UseLine())
	if c.HasExample() {
		p.paragraph("Examples:")
		p.block(unindent(c.Example))
	}
	var heads []string
	rows := map[string][][]string{}
	c.InitDefaultHelpFlag()
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		h := group(f)
		if rows[h] == nil {
			heads = append(heads, h)
		}
		rows[h] = append(rows[h], flagRow(f))
	})
	for _, h := range heads {
		if h != "" {
			p.paragraph("**" + h + "**")
		}
		p.table([]string{"flag", "default", "is"}, rows[h])
	}
}

func flagRow(f *pflag.Flag) []string {
	kind, usage := pflag.UnquoteUsage(f)
	name := "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	if kind != "" {
		name += " " + kind
	}
	value := f.DefValue
	if value == "[]" || value == "0s" && f.Value.Type() == "duration" || value == "false" && f.Value.Type() == "bool" {
		value = ""
	}
	return []string{code(name), code(value), plain(usage)}
}

// plainParagraphs joins the lines of each paragraph, which are broken for a terminal. Those that are indented stay as they are.
func plainParagraphs(text string) string {
	var out []string
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if strings.HasPrefix(paragraph, "  ") {
			paragraph = "```text\n" + unindent(paragraph) + "\n```"
		} else {
			paragraph = plain(paragraph)
		}
		out = append(out, paragraph)
	}
	return strings.Join(out, "\n\n")
}

func unindent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, "  ")
	}
	return strings.Join(lines, "\n")
}
