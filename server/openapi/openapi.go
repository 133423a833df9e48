// Package openapi is the description of the HTTP API: an OpenAPI 3.1 document, written by hand in the YAML files of this
// folder, by topic, and put together into JSON.
//
// By hand, because what is worth reading in such a document are its sentences. That it is true is tested: its paths are those
// of the router, its error codes those of the code, its schemas fit the server's answers, and schemathesis, which reads
// it and tries what it says, finds nothing.
package openapi

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"gopkg.in/yaml.v3"
)

//go:embed *.yaml
var files embed.FS

// parts are the files, in the order in which their paths are listed.
var parts = []string{"api", "classify", "models", "feedback", "drift", "v2", "repository", "operation"}

// JSON is the document. Nobody may change it.
var JSON = sync.OnceValue(func() []byte {
	doc := object{}
	for _, part := range parts {
		text, err := files.ReadFile(part + ".yaml")
		if err != nil {
			panic("BUG: " + err.Error())
		}
		var root yaml.Node
		if err := yaml.Unmarshal(text, &root); err != nil {
			panic(fmt.Sprintf("BUG: %s.yaml: %v", part, err))
		}
		doc.merge(valueOf(root.Content[0]).(object))
	}
	out, err := json.Marshal(doc)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return out
})

// object is a JSON object that keeps the order of its members.
type object []member

type member struct {
	key   string
	value any
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := enc.Encode(m.key); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := enc.Encode(m.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func (o object) find(key string) int {
	return slices.IndexFunc(o, func(m member) bool { return m.key == key })
}

// merge adds what other has: objects that both have are merged, and nothing is replaced.
func (o *object) merge(other object) {
	for _, m := range other {
		i := o.find(m.key)
		if i < 0 {
			*o = append(*o, m)
			continue
		}
		mine, ok := (*o)[i].value.(object)
		theirs, also := m.value.(object)
		if !ok || !also {
			panic(fmt.Sprintf("BUG: %q is said twice", m.key))
		}
		mine.merge(theirs)
		(*o)[i].value = mine
	}
}

// valueOf makes plain values of YAML. Aliases are followed, and "<<" takes over what the object does not say itself.
func valueOf(n *yaml.Node) any {
	switch n.Kind {
	case yaml.AliasNode:
		return valueOf(n.Alias)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, e := range n.Content {
			list[i] = valueOf(e)
		}
		return list
	case yaml.MappingNode:
		var o, inherited object
		for i := 0; i < len(n.Content); i += 2 {
			key, value := n.Content[i], valueOf(n.Content[i+1])
			if key.Tag == "!!merge" {
				inherited = value.(object)
				continue
			}
			o = append(o, member{key.Value, value})
		}
		for i, m := range inherited {
			if o.find(m.key) < 0 {
				o = slices.Insert(o, min(i, len(o)), m)
			}
		}
		return o
	}
	var v any
	if err := n.Decode(&v); err != nil {
		panic(fmt.Sprintf("BUG: line %d: %v", n.Line, err))
	}
	return v
}
