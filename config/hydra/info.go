package hydra

import (
	"fmt"
	"strings"

	"github.com/torchlit/torchlit/config/omegaconf"
)

// Part is which part of a composition is shown.
type Part string

// The parts, as hydra --cfg names them.
const (
	JobPart   Part = "job"
	HydraPart Part = "hydra"
	AllParts  Part = "all"
)

// Show writes a part of the composition as YAML, as hydra --cfg does. With pkg, only
// what is at that path; with resolve, interpolations are replaced by their values.
func (c *Config) Show(part Part, pkg string, resolve bool) (string, error) {
	tree := c.Tree.Copy()
	h := tree.Get("hydra")
	tree.SetScope(&omegaconf.Scope{Now: c.now, Hydra: c.hydra()})
	c.Tree.SetScope(&omegaconf.Scope{Now: c.now, Hydra: c.hydra()})
	switch part {
	case JobPart:
		tree.Remove("hydra")
	case HydraPart:
		for _, key := range c.Tree.Keys() {
			if key != "hydra" {
				tree.Remove(key)
			}
		}
		h.Remove("help")
		h.Remove("hydra_help")
	case AllParts:
	default:
		return "", fmt.Errorf("there is no part %q: give job, hydra or all", part)
	}
	shown, header := tree, ""
	if pkg != "" && pkg != "_global_" {
		var err error
		if shown, err = tree.Select(pkg); err != nil {
			return "", err
		}
		if shown == nil {
			nearest, _ := Nearest(pkg, tree.Paths())
			return "", fmt.Errorf("the configuration has no package %q; the nearest is %q", pkg, nearest)
		}
		header = "# @package " + pkg + "\n"
	}
	if shown.Kind() == omegaconf.Scalar {
		return omegaconf.Str(shown) + "\n", nil
	}
	if resolve {
		if err := shown.Resolve(); err != nil {
			return "", err
		}
	}
	return header + shown.YAML(), nil
}

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
