// Command values writes the values of a chart as a table into its README, between the lines that say so.
//
//	go run ./tools/kubernetes/values deploy/helm/torchlit/values.yaml deploy/helm/torchlit/README.md
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"gopkg.in/yaml.v3"
)

const (
	begin = "<!-- begin values: made by make manifests -->\n"
	end   = "<!-- end values -->\n"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: values VALUES README")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "values:", err)
		os.Exit(1)
	}
}

func run(values, readme string) error {
	text, err := os.ReadFile(values)
	if err != nil {
		return err
	}
	made, err := table(text)
	if err != nil {
		return fmt.Errorf("cannot read %q: %w", values, err)
	}
	page, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, ends := strings.Cut(rest, end)
	if !ok || !ends {
		return fmt.Errorf("cannot find the place in %q: it needs the lines %q and %q", readme, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return os.WriteFile(readme, []byte(before+begin+made+end+after), 0o644)
}

// row is a value that has a comment "# -- what it means", or that lies below one without.
type row struct{ key, value, means string }

// table makes Markdown of a values file. Every value must be told of: by its own comment, or by that of the mapping that it is in.
func table(text []byte) (string, error) {
	var file yaml.Node
	if err := yaml.Unmarshal(text, &file); err != nil {
		return "", err
	}
	rows, err := rowsOf(file.Content[0], "")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("\n| value | default | |\n| --- | --- | --- |\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", r.key, r.value, strings.ReplaceAll(r.means, "|", `\|`))
	}
	b.WriteString("\n")
	return b.String(), nil
}

func rowsOf(m *yaml.Node, prefix string) (rows []row, err error) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		key, value := m.Content[i], m.Content[i+1]
		name := prefix + key.Value
		if means, ok := strings.CutPrefix(lastLine(key.HeadComment), "# -- "); ok {
			shown, err := inline(value)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			rows = append(rows, row{name, shown, means})
			continue
		}
		if value.Kind != yaml.MappingNode || len(value.Content) == 0 {
			if prefix == "resources.requests." || prefix == "resources.limits." { // Kubernetes' own words
				rows = append(rows, row{name, value.Value, ""})
				continue
			}
			return nil, fmt.Errorf("line %d: %s has no comment that begins with \"# -- \"", key.Line, name)
		}
		below, err := rowsOf(value, name+".")
		if err != nil {
			return nil, err
		}
		rows = append(rows, below...)
	}
	return rows, nil
}

func lastLine(s string) string { return s[strings.LastIndex(s, "\n")+1:] }

// inline writes a value in one line, as one could give it to --set-json.
func inline(n *yaml.Node) (string, error) {
	var v any
	if err := n.Decode(&v); err != nil {
		return "", err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSpace(b.String()), nil
}
