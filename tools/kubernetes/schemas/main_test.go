package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gopkg.in/yaml.v3"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const swagger = `{"definitions": {
"thing": {"type": "object", "description": "gone", "required": ["spec"], "x-kubernetes-group-version-kind": [{"group": "g.io", "version": "v1", "kind": "Thing"}],
  "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"$ref": "#/definitions/meta"}, "spec": {"$ref": "#/definitions/spec"}}},
"meta": {"type": "object", "properties": {"name": {"type": "string"}, "labels": {"type": "object", "additionalProperties": {"type": "string"}}}},
"spec": {"type": "object", "properties": {"again": {"$ref": "#/definitions/spec"}, "port": {"type": "string", "format": "int-or-string"},
  "size": {"$ref": "#/definitions/io.k8s.apimachinery.pkg.api.resource.Quantity"}, "free": {"type": "object"}, "list": {"type": "array", "items": {"type": "integer", "format": "int32"}}}}
}}`

func TestKind(t *testing.T) {
	var api openAPI
	require.NoError(t, json.Unmarshal([]byte(swagger), &api))
	s, file, err := api.kind("thing")
	require.NoError(t, err)
	assert.Equal(t, "thing-g-v1.json", file)
	assert.JSONEq(t, `{"type": "object", "additionalProperties": false, "required": ["apiVersion", "kind", "metadata", "spec"], "properties": {
		"apiVersion": {"type": "string", "enum": ["g.io/v1"]}, "kind": {"type": "string", "enum": ["Thing"]},
		"metadata": {"type": "object", "additionalProperties": false, "required": ["name"], "properties": {
			"name": {"type": "string"}, "labels": {"type": "object", "additionalProperties": {"type": "string"}}}},
		"spec": {"type": "object", "additionalProperties": false, "properties": {
			"again": {}, "port": {"type": ["string", "integer"]}, "size": {"type": ["string", "number"]}, "free": {"type": "object"},
			"list": {"type": "array", "items": {"type": "integer"}}}}}}`, text(s))
	_, _, err = api.kind("spec")
	require.ErrorContains(t, err, "is not one kind but 0")
	_, _, err = api.kind("other")
	require.ErrorContains(t, err, "the API has no other")
}

func TestDefinition(t *testing.T) {
	var d definition
	require.NoError(t, yaml.Unmarshal([]byte(`
spec:
  group: serving.example.com
  names: {kind: Model}
  versions:
    - name: v1
      served: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            metadata: {type: object}
            spec:
              type: object
              x-kubernetes-validations: [{rule: "self.a != 1"}]
              properties:
                open: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {a: {type: string, nullable: true}}}
                interval: {type: string, pattern: "^[0-9]+s$"}
                odd: {type: string, pattern: "(?!x)", x-kubernetes-int-or-string: false}
                either: {x-kubernetes-int-or-string: true, anyOf: [{type: integer}, {type: string}]}
              oneOf: [{required: [open]}, {properties: {interval: {minLength: 1}}}]
    - {name: v0, served: false}
`), &d))
	s, file, err := d.kind("v1", schema{"type": "object"})
	require.NoError(t, err)
	assert.Equal(t, "model-serving-v1.json", file)
	assert.JSONEq(t, `{"type": "object", "additionalProperties": false, "properties": {
		"open": {"type": "object", "properties": {"a": {"type": ["string", "null"]}}},
		"interval": {"type": "string", "pattern": "^[0-9]+s$"}, "odd": {"type": "string"}, "either": {"type": ["string", "integer"]}},
		"oneOf": [{"required": ["open"]}, {"properties": {"interval": {"minLength": 1}}}]}`, text(s["properties"].(schema)["spec"].(schema)))
	assert.Equal(t, []any{"apiVersion", "kind", "metadata", "spec"}, s["required"])
	for _, version := range []string{"v0", "v2"} {
		_, _, err = d.kind(version, schema{})
		require.ErrorContains(t, err, "Model is not served as "+version)
	}
}

// TestShare: what occurs twice is written once, in the inner parts as well, and what is short stays where it is.
func TestShare(t *testing.T) {
	inner := func() schema {
		return schema{"type": "object", "properties": schema{"a name that is long enough to be shared": schema{"type": "string"}}}
	}
	outer := func() schema { return schema{"items": inner(), "type": "array", "maxItems": 7} }
	s := schema{"properties": schema{"x": outer(), "y": outer(), "z": inner(), "short": schema{"type": "string"}}, "anyOf": []any{inner()}}
	got := share(s)
	definitions := got["definitions"].(schema)
	require.Len(t, definitions, 2)
	properties := got["properties"].(schema)
	assert.Equal(t, properties["x"], properties["y"])
	assert.Equal(t, schema{"type": "string"}, properties["short"])
	assert.Equal(t, properties["z"], got["anyOf"].([]any)[0])
	var resolve func(v schema) schema
	resolve = func(v schema) schema {
		if ref, ok := v["$ref"].(string); ok {
			return resolve(definitions[filepath.Base(ref)].(schema))
		}
		return each(v, resolve)
	}
	delete(got, "definitions")
	assert.Equal(t, s, resolve(got))
	assert.Equal(t, schema{"type": "string"}, share(schema{"type": "string"}))
}

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	s := schema{"properties": schema{"a": schema{"type": "string"}, "d": schema{"type": "integer"}}}
	require.NoError(t, write(path, s))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.JSONEq(t, text(s), string(b))
}
