package reference

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// API is the page of an OpenAPI document in JSON.
func API(document []byte) (string, error) {
	var root yaml.Node // which keeps the order
	if err := yaml.Unmarshal(document, &root); err != nil {
		return "", err
	}
	d := &openAPI{root: node{root.Content[0]}}
	d.page = newPage("HTTP API", "server/openapi", "What `GET /openapi.json` of a server says, on one page. How it is asked from programs: [clients.md](../clients.md).")
	d.paragraph(d.root.at("info", "description").text())
	d.root.at("tags").each(func(_ string, tag node) { d.tag(tag) })
	d.f("\n## Schemas\n")
	d.root.at("components", "schemas").each(d.schema)
	return d.String(), nil
}

type openAPI struct {
	*page
	root node
}

// resolve follows a reference into the document.
func (d *openAPI) resolve(n node) node {
	for {
		ref := n.at("$ref").text()
		if ref == "" {
			return n
		}
		n = d.root.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
}

func (d *openAPI) tag(tag node) {
	name := tag.at("name").text()
	d.f("\n## Routes: %s\n", name)
	d.paragraph(tag.at("description").text())
	d.root.at("paths").each(func(path string, item node) {
		item.each(func(method string, op node) {
			if op.at("tags").has(name) {
				d.operation(method, path, item, op)
			}
		})
	})
}

func (d *openAPI) operation(method, path string, item, op node) {
	d.f("\n### %s %s\n", strings.ToUpper(method), strings.NewReplacer("{", "`{", "}", "}`").Replace(path))
	summary, description := op.at("summary").text(), op.at("description").text()
	if description != "" && !strings.HasSuffix(summary, ".") {
		summary += "."
	}
	d.paragraph("**" + summary + "**")
	d.paragraph(who(op.at("security")))
	d.paragraph(description)
	var rows [][]string
	parameter := func(_ string, n node) {
		p := d.resolve(n)
		rows = append(rows, []string{code(p.at("name").text()), p.at("in").text(), d.typeOf(p.at("schema")), cell(p.at("description").text())})
	}
	item.at("parameters").each(parameter)
	op.at("parameters").each(parameter)
	d.table([]string{"parameter", "in", "is", ""}, rows)
	rows = nil
	d.resolve(op.at("requestBody")).at("content").each(func(media string, n node) {
		rows = append(rows, []string{code(media), d.typeOf(n.at("schema"))})
	})
	d.table([]string{"body", "is"}, rows)
	d.responses(op.at("responses"))
}

// who says whose keys an operation asks for.
func who(security node) string {
	said := ""
	security.each(func(_ string, alternative node) {
		alternative.each(func(scheme string, _ node) {
			if strings.HasPrefix(scheme, "admin") {
				said = "For administrators: with the admin key, or from the server's own machine."
			} else if said == "" {
				said = "With an API key, where the server asks for one."
			}
		})
	})
	return said
}

func (d *openAPI) responses(responses node) {
	var rows [][]string
	responses.each(func(status string, n node) {
		r := d.resolve(n)
		var bodies []string
		r.at("content").each(func(media string, b node) {
			t := d.typeOf(b.at("schema"))
			if media != "application/json" {
				t = strings.TrimSuffix(code(media)+" "+t, " ")
			}
			bodies = append(bodies, t)
		})
		rows = append(rows, []string{status, cell(r.at("description").text()), strings.Join(bodies, ", ")})
	})
	d.table([]string{"status", "means", "body"}, rows)
}

func (d *openAPI) schema(name string, s node) {
	d.f("\n### Schema %s\n", name)
	if s.at("properties").Node == nil {
		d.paragraph(d.typeOf(s))
	}
	d.paragraph(s.at("description").text())
	var rows [][]string
	s.at("properties").each(func(property string, p node) {
		must := ""
		if s.at("required").has(property) {
			must = "always"
		}
		rows = append(rows, []string{code(property), must, d.typeOf(p), cell(p.at("description").text())})
	})
	d.table([]string{"property", "there", "is", ""}, rows)
}

// typeOf says in a few words what values a schema takes, with a link to one that has a name.
func (d *openAPI) typeOf(s node) string {
	if ref := s.at("$ref").text(); ref != "" {
		name := ref[strings.LastIndex(ref, "/")+1:]
		return fmt.Sprintf("[%s](#schema-%s)", name, strings.ToLower(name))
	}
	if value := s.at("const"); value.Node != nil {
		return code(value.text())
	}
	if values := s.at("enum"); values.Node != nil {
		var all []string
		values.each(func(_ string, v node) { all = append(all, code(cmp.Or(v.text(), `""`))) })
		return strings.Join(all, ", ")
	}
	for _, choice := range []string{"oneOf", "anyOf", "allOf"} {
		if choices := s.at(choice); choices.Node != nil && s.at("properties").Node == nil {
			var all []string
			choices.each(func(_ string, c node) { all = append(all, d.typeOf(c)) })
			return strings.Join(slices.Compact(all), map[bool]string{true: " and ", false: " or "}[choice == "allOf"])
		}
	}
	return d.simple(s)
}

// simple is typeOf for what has no name and no alternatives.
func (d *openAPI) simple(s node) string {
	t := s.at("type").text()
	if types := s.at("type"); types.Node != nil && types.Kind == yaml.SequenceNode {
		var all []string
		types.each(func(_ string, v node) { all = append(all, v.text()) })
		t = strings.Join(all, " or ")
	}
	switch t {
	case "array":
		return strings.TrimSuffix("list of "+d.typeOf(s.at("items")), " of ")
	case "object":
		if values := s.at("additionalProperties"); values.Node != nil && values.Kind == yaml.MappingNode {
			return strings.TrimSuffix("object of "+d.typeOf(values), " of ")
		}
	}
	low, high := cmp.Or(s.at("minimum").text(), s.at("exclusiveMinimum").text()), s.at("maximum").text()
	switch {
	case low != "" && high != "":
		t += " " + low + "…" + high
	case low != "":
		t += " from " + low
	}
	if value := s.at("default"); value.Node != nil {
		t += ", " + code(value.text()) + " if left out"
	}
	return t
}

// node is a part of the document; the zero value is what is not there.
type node struct{ *yaml.Node }

// at goes down by names.
func (n node) at(names ...string) node {
	for _, name := range names {
		if n.Node == nil || n.Kind != yaml.MappingNode {
			return node{}
		}
		i := 0
		for i < len(n.Content) && n.Content[i].Value != name {
			i += 2
		}
		if i >= len(n.Content) {
			return node{}
		}
		n = node{n.Content[i+1]}
	}
	return n
}

// each calls f with the members of an object, or the elements of a list.
func (n node) each(f func(key string, value node)) {
	if n.Node == nil {
		return
	}
	if n.Kind == yaml.SequenceNode {
		for _, e := range n.Content {
			f("", node{e})
		}
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		f(n.Content[i].Value, node{n.Content[i+1]})
	}
}

// has reports whether a list has the text.
func (n node) has(text string) (found bool) {
	n.each(func(_ string, e node) { found = found || e.text() == text })
	return found
}

func (n node) text() string {
	if n.Node == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}
