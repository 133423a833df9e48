package pages

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// tool runs a program that checks the text, and returns what it complains of.
func tool(t *testing.T, stdin, program string, args ...string) []string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		skip(t, "pages are not checked: ", err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return []string{fmt.Sprintf("%s: %v\n%s", program, err, out)}
	}
	return nil
}

func howOf(b *block) how {
	if _, ok := b.marked("run by"); ok {
		return ran
	}
	return read
}

// checkPython compiles, and runs nothing.
func checkPython(t *testing.T, b *block) (how, []string) {
	return howOf(b), tool(t, b.text, "python3", "-c", "import ast, sys; ast.parse(sys.stdin.read())")
}

func checkJS(t *testing.T, b *block) (how, []string) {
	return howOf(b), tool(t, b.text, "node", "--check", "--input-type=module", "-")
}

// checkGo type-checks. A part of a program stands within a file that has what it needs, in place of the line "// here".
func checkGo(t *testing.T, b *block) (how, []string) {
	source := b.text
	file, within := b.marked("within")
	switch whole := regexp.MustCompile(`(?m)^package `).MatchString(source); {
	case whole == within:
		return read, []string{"a block that is no whole program needs <!-- within: file.go -->: a program with a line \"// here\" for it, as tests/pages/testdata has"}
	case within:
		outer, err := os.ReadFile(file)
		if err != nil {
			return read, []string{err.Error()}
		}
		before, after, ok := strings.Cut(string(outer), "// here\n")
		if !ok {
			return read, []string{file + ` has no line "// here"`}
		}
		source = strings.TrimRight(before, "\t") + fmt.Sprintf("//line %s:%d\n", b.page.name, b.line+1) + wildGo(source) + after
	}
	path := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		return read, []string{err.Error()}
	}
	return howOf(b), tool(t, "", "go", "vet", path)
}

// wildGo takes out what "…" stands for: a line, or the rest of a list.
func wildGo(source string) string {
	source = regexp.MustCompile(`(?m)^\s*…$`).ReplaceAllString(source, "")
	return regexp.MustCompile(`, …([})])`).ReplaceAllString(source, "$1")
}

// checkJSON takes one value or several, with "…" for what is left out.
func checkJSON(t *testing.T, b *block) (how, []string) {
	h := read
	if isOutput(b) {
		h = ran
	}
	_, err := jsonValues(wildJSON(b.text))
	if err != nil {
		return h, []string{err.Error()}
	}
	return h, checkKeys(t, b, json.Unmarshal, wildJSON(b.text))
}

// jsonValues are those of a text, one after the other.
func jsonValues(text string) ([]any, error) {
	var all []any
	for d := json.NewDecoder(strings.NewReader(text)); ; {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, fmt.Errorf("value %d: %w", len(all)+1, err)
		}
		all = append(all, v)
	}
}

var jsonToken = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|,\s*…|…\s*,|:\s*…|…`)

// wildJSON takes each "…" out that stands for values.
func wildJSON(text string) string {
	return jsonToken.ReplaceAllStringFunc(text, func(s string) string {
		switch s[0] {
		case '"':
			return s
		case ':':
			return ": null"
		}
		return ""
	})
}

func checkYAML(t *testing.T, b *block) (how, []string) {
	d := yaml.NewDecoder(bytes.NewReader([]byte(b.text)))
	for {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return read, []string{err.Error()}
		}
	}
	return read, checkKeys(t, b, yaml.Unmarshal, b.text)
}

// checkKeys holds a block that is marked with "keys of: command" to what the command prints as YAML or JSON: it has each key of the block.
// "keys of: command, at a.b" looks below a key.
func checkKeys(t *testing.T, b *block, unmarshal func([]byte, any) error, text string) []string {
	of, ok := b.marked("keys of")
	if !ok {
		return nil
	}
	command, at, _ := strings.Cut(of, ", at ")
	args := strings.Fields(command)
	var whole, part any
	if args[0] == "file" {
		text, err := os.ReadFile(args[1])
		if err != nil {
			return []string{err.Error()}
		}
		if err := yaml.Unmarshal(text, &whole); err != nil {
			return []string{err.Error()}
		}
	} else {
		out, err := torchlit(t, args[1:]...)
		if err != nil {
			return []string{err.Error()}
		}
		if err := yaml.Unmarshal([]byte(out), &whole); err != nil {
			return []string{err.Error()}
		}
	}
	for _, key := range strings.Split(at, ".") {
		if m, ok := whole.(map[string]any); ok && key != "" {
			whole = m[key]
		}
	}
	if err := unmarshal([]byte(text), &part); err != nil {
		return []string{err.Error()}
	}
	return lacks(part, whole, "")
}

// lacks returns the keys of part that whole does not have.
func lacks(part, whole any, at string) []string {
	p, ok := part.(map[string]any)
	if !ok {
		return nil
	}
	w, ok := whole.(map[string]any)
	if !ok {
		return []string{fmt.Sprintf("%s is no mapping there, but %T", strings.TrimPrefix(at, "."), whole)}
	}
	var bad []string
	for key, value := range p {
		if _, there := w[key]; !there {
			bad = append(bad, fmt.Sprintf("the key %s is not there", strings.TrimPrefix(at+"."+key, ".")))
			continue
		}
		bad = append(bad, lacks(value, w[key], at+"."+key)...)
	}
	return bad
}
