package modeldir

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
)

// object is a JSON object that is read key by key. What nobody takes stays in
// raw, so that a rewrite gives it back: both files hold keys of other tools and
// of versions to come.
type object struct {
	file string // for errors
	path string // of the object inside of the file, with a dot at its end; "" at the top
	raw  map[string]json.RawMessage
}

func readObject(file string) (object, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return object{}, err
	}
	o := object{file: file}
	if err := json.Unmarshal(data, &o.raw); err != nil {
		return object{}, fmt.Errorf("cannot read %q: %w; it must hold one JSON object", file, err)
	}
	if o.raw == nil {
		return object{}, fmt.Errorf("cannot read %q: it holds null; it must hold one JSON object", file)
	}
	return o, nil
}

// take decodes the value of key into dst and removes it. A key that is absent
// or null leaves dst as it is. want says in words what the value should be.
func (o object) take(key string, dst any, want string) error {
	raw, ok := o.raw[key]
	delete(o.raw, key)
	if !ok || string(raw) == "null" {
		return nil
	}
	if json.Unmarshal(raw, dst) != nil {
		return o.wrong(key, excerpt(raw), want)
	}
	return nil
}

// object takes the value of key as an object of its own, empty when absent.
func (o object) object(key string) (object, error) {
	child := object{file: o.file, path: o.path + key + ".", raw: map[string]json.RawMessage{}}
	return child, o.take(key, &child.raw, "an object")
}

// wrong is the error about a value: which file, which key, what it is and what
// to change it to.
func (o object) wrong(key, got, want string) error {
	return fmt.Errorf("cannot use %q: %q is %s; change it to %s", o.file, o.path+key, got, want)
}

func excerpt(raw []byte) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil || b.Len() > 60 {
		return string(bytes.ToValidUTF8(b.Bytes()[:min(b.Len(), 60)], nil)) + "…"
	}
	return b.String()
}

// members is a JSON object that is written: its keys keep their order, and
// empty optional values are left out by whoever builds it.
type members []member

type member struct {
	key   string
	value any
}

func (m *members) add(key string, value any) { *m = append(*m, member{key, value}) }

// addRest appends the keys that were read and not understood, in their
// alphabetical order, except those that m has already.
func (m *members) addRest(rest map[string]json.RawMessage) {
	for _, key := range slices.Sorted(maps.Keys(rest)) {
		if !slices.ContainsFunc(*m, func(have member) bool { return have.key == key }) {
			m.add(key, rest[key])
		}
	}
}

// MarshalJSON writes the members in their order.
func (m members) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, kv := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		enc := json.NewEncoder(&b) // json.Marshal would escape '&' in labels
		enc.SetEscapeHTML(false)
		if err := enc.Encode(kv.key); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := enc.Encode(kv.value); err != nil {
			return nil, fmt.Errorf("%q: %w", kv.key, err)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encode is the members as a file that people may read and edit, indented as
// timm's files are.
func (m members) encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(m)
	return b.Bytes(), err
}
