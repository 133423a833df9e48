package reference

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// Composition is a configuration that is composed as hydra does it.
type Composition struct {
	Text    string       // what the files compose to without overrides, in YAML
	Keys    reflect.Type // the struct that has the keys
	Folder  string       // of the primary configuration and of the groups
	Primary string       // its file
	Source  string       // folder of the module that the struct is of
	Module  string       // its path

	parsed map[string]map[string]string // comments on fields, by type
}

// write adds a section for each group, and before them one for the keys that are in none.
func (c *Composition) write(p *page) error {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(c.Text), &doc); err != nil {
		return err
	}
	c.parsed = map[string]map[string]string{}
	root := node{doc.Content[0]}
	primary, err := readYAML(filepath.Join(c.Folder, c.Primary))
	if err != nil {
		return err
	}
	var rows [][]string
	root.each(func(key string, v node) {
		if v.Kind != yaml.MappingNode {
			rows = append(rows, []string{code(key), code(inline(v)), plain(c.comment([]node{primary}, c.Keys, []string{key}))})
		}
	})
	p.f("\n### Train: the run\n")
	p.table([]string{"key", "default", "is"}, rows)
	var failed error
	root.each(func(key string, v node) {
		if v.Kind == yaml.MappingNode && failed == nil {
			failed = c.group(p, key, v, primary)
		}
	})
	if failed != nil {
		return failed
	}
	p.f("\n### Train: experiment\n")
	p.paragraph("Files that change several groups at once: `experiment=NAME`.")
	return c.options(p, "experiment", node{})
}

func (c *Composition) group(p *page, group string, v, primary node) error {
	p.f("\n### Train: %s\n", group)
	names, err := filepath.Glob(filepath.Join(c.Folder, group, "*.yaml"))
	if err != nil {
		return err
	}
	said := []node{primary.at(group)}
	for _, name := range names {
		n, err := readYAML(name)
		if err != nil {
			return err
		}
		said = append(said, n)
	}
	keys := field(c.Keys, group).Type
	var rows [][]string
	leaves(v, nil, func(path []string, leaf node) {
		rows = append(rows, []string{code(group + "." + strings.Join(path, ".")), code(inline(leaf)), plain(c.comment(said, keys, path))})
	})
	p.table([]string{"key", "default", "is"}, rows)
	if len(names) == 0 {
		return nil
	}
	return c.options(p, group, v)
}

// options lists the files that a group has.
func (c *Composition) options(p *page, group string, defaults node) error {
	files, err := os.ReadDir(filepath.Join(c.Folder, group))
	if err != nil {
		return err
	}
	var rows [][]string
	for _, f := range files {
		name, isYAML := strings.CutSuffix(f.Name(), ".yaml")
		if !isYAML {
			continue
		}
		n, err := readYAML(filepath.Join(c.Folder, group, f.Name()))
		if err != nil {
			return err
		}
		var sets []string
		same := true
		leaves(n, nil, func(path []string, leaf node) {
			if path[0] != "defaults" {
				same = same && inline(leaf) == inline(defaults.at(path...))
				sets = append(sets, code(strings.Join(path, ".")+"="+inline(leaf)))
			}
		})
		n.at("defaults").each(func(_ string, d node) {
			if d.Kind == yaml.ScalarNode {
				if d.text() != "_self_" {
					sets = append([]string{"all of " + code(d.text())}, sets...)
				}
				return
			}
			d.each(func(key string, option node) {
				sets = append(sets, code(strings.TrimPrefix(strings.TrimPrefix(key, "override "), "/")+"="+option.text()))
			})
		})
		if same && defaults.Node != nil {
			sets = []string{"the defaults above"}
		}
		rows = append(rows, []string{code(group + "=" + name), strings.Join(sets, " ")})
	}
	p.table([]string{"option", "sets"}, rows)
	return nil
}

func readYAML(name string) (node, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return node{}, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return node{}, fmt.Errorf("cannot read %q: %w", name, err)
	}
	if len(doc.Content) == 0 {
		return node{}, nil
	}
	return node{doc.Content[0]}, nil
}

// leaves calls f with what is not a mapping, or an empty one.
func leaves(n node, path []string, f func([]string, node)) {
	n.each(func(key string, v node) {
		below := append(path[:len(path):len(path)], key)
		if v.Kind == yaml.MappingNode && len(v.Content) > 0 {
			leaves(v, below, f)
			return
		}
		f(below, v)
	})
}

// inline writes a value in one line, as one would on the command line.
func inline(n node) string {
	if n.Node == nil {
		return ""
	}
	switch n.Kind {
	case yaml.SequenceNode:
		var all []string
		n.each(func(_ string, v node) { all = append(all, inline(v)) })
		return "[" + strings.Join(all, ",") + "]"
	case yaml.MappingNode:
		var all []string
		n.each(func(key string, v node) { all = append(all, key+":"+inline(v)) })
		return "{" + strings.Join(all, ",") + "}"
	}
	return n.text()
}

// comment is what the files say of a key, or what the program's source does: whichever says more.
func (c *Composition) comment(files []node, t reflect.Type, path []string) string {
	said := ""
	for _, f := range files {
		if line := lineComment(f, path); said == "" {
			said = line
		}
	}
	last := len(path) - 1
	for _, key := range path[:last] {
		if t = field(t, key).Type; t == nil {
			return said
		}
	}
	if t.Kind() != reflect.Struct {
		return said
	}
	if source := c.source(t)[field(t, path[last]).Name]; len(source) > len(said) {
		return source
	}
	return said
}

// lineComment is what stands behind a key in its line.
func lineComment(n node, path []string) string {
	last := len(path) - 1
	if n = n.at(path[:last]...); n.Node == nil || n.Kind != yaml.MappingNode {
		return ""
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == path[last] {
			said := cmp.Or(n.Content[i+1].LineComment, n.Content[i].LineComment)
			return strings.TrimSpace(strings.TrimPrefix(said, "#"))
		}
	}
	return ""
}

func field(t reflect.Type, key string) reflect.StructField {
	for f := range t.Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name == key {
			return f
		}
	}
	return reflect.StructField{}
}

// source returns the comments on the fields of a struct of this module.
func (c *Composition) source(t reflect.Type) map[string]string {
	id := t.PkgPath() + "." + t.Name()
	if known := c.parsed[id]; known != nil {
		return known
	}
	said := map[string]string{}
	c.parsed[id] = said
	dir, ours := strings.CutPrefix(t.PkgPath(), c.Module+"/")
	if !ours {
		return said
	}
	names, _ := filepath.Glob(filepath.Join(c.Source, filepath.FromSlash(dir), "*.go"))
	for _, name := range names {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			continue // which the compiler will tell
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.Name == t.Name() {
				if s, ok := spec.Type.(*ast.StructType); ok {
					fieldComments(s, said)
				}
			}
			return true
		})
	}
	return said
}

// fieldComments calls fields by the keys that they are for people.
func fieldComments(s *ast.StructType, said map[string]string) {
	var keys []string
	for _, f := range s.Fields.List {
		if f.Tag == nil {
			continue
		}
		key, _, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("yaml"), ",")
		for _, name := range f.Names {
			if key != "" && key != "-" {
				keys = append(keys, name.Name, key)
			}
		}
	}
	for _, f := range s.Fields.List {
		text := cmp.Or(f.Comment.Text(), f.Doc.Text())
		for i := 0; i < len(keys); i += 2 {
			text = regexp.MustCompile(`\b`+keys[i]+`\b`).ReplaceAllLiteralString(text, code(keys[i+1]))
		}
		for _, name := range f.Names {
			said[name.Name] = strings.TrimSpace(text)
		}
	}
}
