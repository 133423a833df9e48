package hydra

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/torchlit/torchlit/config/omegaconf"
)

// testCase is one case of testdata/cases.yaml, which testdata/referee.py reads too.
type testCase struct {
	Kind      string   `yaml:"kind" json:"kind"`
	Line      string   `yaml:"line" json:"line"`
	Dir       string   `yaml:"dir" json:"dir"`
	Config    *string  `yaml:"config" json:"config"`
	Overrides []string `yaml:"overrides" json:"overrides"`
	Text      string   `yaml:"text" json:"text"`
}

// answer is what this package makes of a case, in the referee's form.
func (c testCase) answer() (string, error) {
	switch c.Kind {
	case "parse":
		return c.parse()
	case "compose":
		return c.compose()
	case "sweep":
		return c.sweep()
	case "yaml", "tree":
		n, err := omegaconf.Load([]byte(c.Text))
		if err != nil {
			return "", err
		}
		if c.Kind == "tree" {
			if n, err = n.Resolved(false); err != nil {
				return "", err
			}
		}
		return n.YAML(), nil
	}
	panic("BUG: no kind " + c.Kind)
}

func (c testCase) loader() *Loader {
	l := &Loader{Job: "test", Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	if c.Dir != "" {
		l.Sources = []Source{Dir("main", filepath.FromSlash(c.Dir))}
	}
	if c.Config != nil {
		l.Name = *c.Config
	}
	return l
}

func (c testCase) parse() (string, error) {
	o, err := ParseOverride(c.Line)
	if err != nil {
		return "", err
	}
	pkg, text := "None", ""
	if o.HasPkg {
		pkg = o.Package
	}
	if !o.IsSweep() {
		if text, err = format(o.Value); err != nil {
			return "", err
		}
	}
	op := [...]string{"CHANGE", "ADD", "FORCE_ADD", "DEL"}[o.Op]
	return strings.Join([]string{op, o.Key, pkg, encode(o.Value), text}, "\n"), nil
}

func (c testCase) compose() (string, error) {
	cfg, err := c.loader().Compose(c.Overrides, Run)
	if err != nil {
		return "", err
	}
	choices := cfg.hydra().Get("runtime").Get("choices").YAML()
	cfg.Tree.Remove("hydra")
	resolved, replaced := "error", "error"
	if n, err := cfg.Tree.Resolved(false); err == nil {
		resolved = n.YAML()
	}
	plain := cfg.Tree.YAML()
	if err := cfg.Tree.Resolve(); err == nil {
		replaced = cfg.Tree.YAML()
	}
	if replaced == resolved {
		replaced = "same\n"
	}
	if resolved == plain {
		resolved = "same\n"
	}
	return strings.Join([]string{choices, plain, resolved, replaced}, "---\n"), nil
}

func (c testCase) sweep() (string, error) {
	s, err := c.loader().NewSweep(c.Overrides)
	if err != nil {
		return "", err
	}
	var batches []string
	for _, batch := range s.Batches {
		var lines []string
		for _, job := range batch {
			lines = append(lines, strings.Join(job.line, " "))
		}
		batches = append(batches, strings.Join(lines, "\n"))
	}
	return strings.Join(batches, "\n--\n"), nil
}

func encode(v any) string {
	tags := func(t []string) string {
		t = slices.Compact(slices.Sorted(slices.Values(t)))
		if len(t) == 0 {
			return "[]"
		}
		return "['" + strings.Join(t, "', '") + "']"
	}
	when := func(yes bool, s string) string {
		if yes {
			return s
		}
		return ""
	}
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "bool " + omegaconf.Str(v)
	case float64:
		return "float " + omegaconf.FloatRepr(v)
	case string:
		return "str " + quoteJSON(v)
	case Quoted:
		return "quoted " + string(v.Quote) + quoteJSON(v.Text)
	case []string:
		return encode(anys(v))
	case []any:
		var parts []string
		for _, item := range v {
			parts = append(parts, encode(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case omegaconf.Dict:
		var parts []string
		for _, p := range v {
			parts = append(parts, encode(p.Key)+": "+encode(p.Value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case *Choice:
		return "choice " + when(v.Simple, "simple ") + when(v.Shuffle, "shuffled ") + tags(v.Tags) + encode(v.List)
	case *Range:
		return "range " + when(v.Shuffle, "shuffled ") + tags(v.Tags) + encode([]any{v.Start, v.Stop, v.Step})
	case *Interval:
		return "interval " + tags(v.Tags) + encode([]any{v.Start, v.End})
	case *Glob:
		return "glob " + encode(v.Include) + encode(v.Exclude)
	}
	return fmt.Sprintf("int %v", v)
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// quoteJSON writes text as Python's json.dumps does.
func quoteJSON(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= 0x7f && r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < 0x20:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}
