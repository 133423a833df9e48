package hydra

import (
	"fmt"
	"strings"
)

// DefaultsTable shows the final defaults list, as hydra --info defaults does.
func (c *Config) DefaultsTable() string {
	rows := [][4]string{{"Config path", "Package", "_self_", "Parent"}}
	for _, d := range c.Defaults {
		self := "False"
		if d.Self {
			self = "True"
		}
		rows = append(rows, [4]string{d.Config, d.Package, self, d.Parent})
	}
	var widths [4]int
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	var b strings.Builder
	line := ""
	for i, row := range rows {
		text := "|"
		for j, cell := range row {
			text += fmt.Sprintf(" %-*s |", widths[j], cell)
		}
		if i == 0 {
			line = strings.Repeat("-", len(text))
			text += "\n" + line
		}
		b.WriteString(text + "\n")
	}
	b.WriteString(line + "\n")
	return b.String()
}

// DefaultsTree shows which config lists which, as hydra --info defaults-tree does.
func (c *Config) DefaultsTree() string {
	var b strings.Builder
	var walk func(n *treeNode, indent string)
	walk = func(n *treeNode, indent string) {
		text := n.String()
		if n.isSelf() {
			text = "_self_"
		}
		if len(n.children) > 0 {
			text += ":"
		}
		b.WriteString(indent + text + "\n")
		for _, child := range n.children {
			walk(child, indent+"  ")
		}
	}
	walk(c.tree, "")
	return b.String()
}
