package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// schema is a JSON schema as encoding/json and yaml read it.
type schema = map[string]any

// openAPI is what is used of the file that an API server describes itself with.
type openAPI struct {
	Definitions map[string]schema `json:"definitions"`
}

// kind returns the schema of a kind, and the name of its file.
func (a openAPI) kind(name string) (s schema, file string, err error) {
	d, ok := a.Definitions[name]
	if !ok {
		return nil, "", fmt.Errorf("the API has no %s", name)
	}
	of, _ := d["x-kubernetes-group-version-kind"].([]any)
	if len(of) != 1 {
		return nil, "", fmt.Errorf("%s is not one kind but %d", name, len(of))
	}
	g := of[0].(map[string]any)
	return named(a.inline(name, nil), g["group"].(string), g["version"].(string), g["kind"].(string)), fileName(g["group"].(string), g["version"].(string), g["kind"].(string)), nil
}

// inline returns a definition with what it refers to in it. What refers to itself (JSON schemas inside of definitions) may be anything there.
func (a openAPI) inline(name string, within []string) schema {
	if slices.Contains(within, name) {
		return schema{}
	}
	switch name {
	case "io.k8s.apimachinery.pkg.api.resource.Quantity":
		return schema{"type": []any{"string", "number"}}
	case "io.k8s.apimachinery.pkg.util.intstr.IntOrString":
		return schema{"type": []any{"string", "integer"}}
	}
	return a.convert(a.Definitions[name], append(slices.Clone(within), name))
}

// convert makes a JSON schema of a schema of OpenAPI.
func (a openAPI) convert(s schema, within []string) schema {
	if ref, ok := s["$ref"].(string); ok {
		return a.inline(strings.TrimPrefix(ref, "#/definitions/"), within)
	}
	if s["x-kubernetes-int-or-string"] == true || s["format"] == "int-or-string" {
		return schema{"type": []any{"string", "integer"}}
	}
	out := schema{}
	for _, key := range []string{"type", "enum", "required", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "uniqueItems"} {
		if v, ok := s[key]; ok {
			out[key] = v
		}
	}
	if p, ok := s["pattern"].(string); ok {
		if _, err := regexp.Compile(p); err == nil { // as kubeconform would
			out["pattern"] = p
		}
	}
	for _, key := range []string{"allOf", "anyOf", "oneOf"} {
		if list, ok := s[key].([]any); ok {
			var all []any
			for _, v := range list {
				one := a.convert(v.(schema), within)
				delete(one, "additionalProperties") // a condition on some fields; which fields there are is said beside it
				all = append(all, one)
			}
			out[key] = all
		}
	}
	for _, key := range []string{"items", "not", "additionalProperties"} {
		if v, ok := s[key].(schema); ok {
			out[key] = a.convert(v, within)
		}
	}
	if properties, ok := s["properties"].(schema); ok {
		all := schema{}
		for name, v := range properties {
			all[name] = a.convert(v.(schema), within)
		}
		out["properties"] = all
		if s["additionalProperties"] == nil && s["x-kubernetes-preserve-unknown-fields"] != true {
			out["additionalProperties"] = false
		}
	}
	if t, ok := out["type"].(string); ok && s["nullable"] == true {
		out["type"] = []any{t, "null"}
	}
	return out
}

// definition is what is used of a custom resource definition.
type definition struct {
	Spec struct {
		Group    string `yaml:"group"`
		Names    struct{ Kind string }
		Versions []struct {
			Name   string
			Served bool
			Schema struct {
				OpenAPI schema `yaml:"openAPIV3Schema"`
			}
		}
	}
}

// kind returns the schema of a version, and the name of its file.
func (d definition) kind(version string, metadata schema) (s schema, file string, err error) {
	for _, v := range d.Spec.Versions {
		if v.Name == version && v.Served {
			s := openAPI{}.convert(v.Schema.OpenAPI, nil)
			s["properties"].(schema)["metadata"] = metadata
			return named(s, d.Spec.Group, version, d.Spec.Names.Kind), fileName(d.Spec.Group, version, d.Spec.Names.Kind), nil
		}
	}
	return nil, "", fmt.Errorf("%s is not served as %s", d.Spec.Names.Kind, version)
}

// fileName is where kubeconform looks with -schema-location '…/{{.ResourceKind}}{{.KindSuffix}}.json'.
func fileName(group, version, kind string) string {
	if group != "" {
		group = "-" + strings.Split(group, ".")[0]
	}
	return strings.ToLower(kind + group + "-" + version + ".json")
}

// named adds that an object says which kind it is, and has a name, which Kubernetes' own schemas leave to the server.
func named(s schema, group, version, kind string) schema {
	s, properties := maps.Clone(s), maps.Clone(s["properties"].(schema))
	if group != "" {
		version = group + "/" + version
	}
	properties["apiVersion"] = schema{"type": "string", "enum": []any{version}}
	properties["kind"] = schema{"type": "string", "enum": []any{kind}}
	metadata := maps.Clone(properties["metadata"].(schema))
	metadata["required"] = []any{"name"}
	properties["metadata"] = metadata
	s["properties"] = properties
	required := []any{"apiVersion", "kind", "metadata"}
	if had, ok := s["required"].([]any); ok {
		for _, r := range had {
			if !slices.Contains(required, r) {
				required = append(required, r)
			}
		}
	}
	if _, ok := properties["spec"]; ok && !slices.Contains(required, any("spec")) && kind != "Namespace" {
		required = append(required, "spec")
	}
	s["required"] = required
	return s
}
