package omegaconf

import (
	"fmt"
	"math"
	"strings"
)

// YAML writes n, not resolved, as OmegaConf.to_yaml does, byte for byte: block
// style, two spaces, lists not indented, lines folded after 80 columns.
func (n *Node) YAML() string {
	e := emitter{indent: -1, whitespace: true, indention: true}
	e.node(n, context{})
	e.indent = 0
	e.writeIndent()
	return e.out.String()
}

// width is the column after which PyYAML breaks a line at the next space.
const width = 80

// context is where a node is written.
type context struct {
	mapping   bool // as a value of a mapping
	simpleKey bool // as a key on one line
}

// emitter follows PyYAML's: the fields are the state that its layout depends on.
type emitter struct {
	out        strings.Builder
	column     int
	indent     int  // -1 before the first container
	whitespace bool // the last character was a space or a line break
	indention  bool // only indentation so far on this line
}

func (e *emitter) write(s string) {
	e.out.WriteString(s)
	e.column += len([]rune(s))
}

func (e *emitter) lineBreak(br string) {
	e.out.WriteString(br)
	e.whitespace, e.indention, e.column = true, true, 0
}

func (e *emitter) writeIndent() {
	indent := max(e.indent, 0)
	if !e.indention || e.column > indent || e.column == indent && !e.whitespace {
		e.lineBreak("\n")
	}
	if e.column < indent {
		e.whitespace = true
		e.write(strings.Repeat(" ", indent-e.column))
	}
}

func (e *emitter) indicator(s string, needSpace, indention bool) {
	if needSpace && !e.whitespace {
		s = " " + s
	}
	e.whitespace, e.indention = false, e.indention && indention
	e.write(s)
}

// deeper indents until what it returns is called.
func (e *emitter) deeper(flow, indentless bool) func() {
	before := e.indent
	switch {
	case e.indent < 0 && flow:
		e.indent = 2
	case e.indent < 0:
		e.indent = 0
	case !indentless:
		e.indent += 2
	}
	return func() { e.indent = before }
}

func (e *emitter) node(n *Node, c context) {
	switch {
	case n.kind == Map && len(n.keys) == 0:
		e.indicator("{", true, false)
		e.indicator("}", false, false)
	case n.kind == List && len(n.list) == 0:
		e.indicator("[", true, false)
		e.indicator("]", false, false)
	case n.kind == Map:
		defer e.deeper(false, false)()
		for _, k := range n.keys {
			e.entry(k, n.items[k])
		}
	case n.kind == List:
		defer e.deeper(false, c.mapping && !e.indention)()
		for _, item := range n.list {
			e.writeIndent()
			e.indicator("-", true, true)
			e.node(item, context{})
		}
	default:
		e.scalar(n.value, c)
	}
}

func (e *emitter) entry(key any, value *Node) {
	e.writeIndent()
	text, quoted, tag := represent(key)
	a := analyze(text)
	if len([]rune(text))+len(tag) < 128 && text != "" && !a.multiline {
		e.text(text, quoted, tag, context{mapping: true, simpleKey: true})
		e.indicator(":", false, false)
	} else {
		e.indicator("?", true, true)
		e.text(text, quoted, tag, context{mapping: true})
		e.writeIndent()
		e.indicator(":", true, true)
	}
	e.node(value, context{mapping: true})
}

func (e *emitter) scalar(v any, c context) {
	text, quoted, tag := represent(v)
	e.text(text, quoted, tag, c)
}

// represent is the text of a scalar, whether OmegaConf asks for quotes, and its tag.
func represent(v any) (text string, quoted bool, tag string) {
	switch v := v.(type) {
	case nil:
		return "null", false, "!!null"
	case bool:
		return fmt.Sprint(v), false, "!!bool"
	case float64:
		return yamlFloatText(v), false, "!!float"
	case string:
		return v, looksLikeNumberOrBool(v), "!!str"
	default:
		return fmt.Sprint(v), false, "!!int"
	}
}

func yamlFloatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return ".nan"
	case math.IsInf(f, 1):
		return ".inf"
	case math.IsInf(f, -1):
		return "-.inf"
	}
	s := FloatRepr(f)
	if !strings.Contains(s, ".") {
		s = strings.Replace(s, "e", ".0e", 1)
	}
	return s
}

func looksLikeNumberOrBool(s string) bool {
	if yamlBool.MatchString(s) || len(s) == 1 && strings.Contains("yYnN", s) {
		return true
	}
	if _, err := ParseInt(s); err == nil {
		return true
	}
	_, err := ParseFloat(s)
	return err == nil
}

func (e *emitter) text(text string, quoted bool, tag string, c context) {
	defer e.deeper(true, false)()
	a := analyze(text)
	// Unquoted text must read back as what it is; the dumper knows dates, too.
	implicit := tag != "!!str" || plainTag(text) == "!!str" && !yamlDate.MatchString(text)
	switch {
	case !quoted && implicit && a.plain && !(c.simpleKey && (text == "" || a.multiline)):
		e.plain(text, !c.simpleKey)
	case a.single && !(c.simpleKey && a.multiline):
		e.singleQuoted(text, !c.simpleKey)
	default:
		e.doubleQuoted(text, !c.simpleKey)
	}
}

func (e *emitter) plain(text string, fold bool) {
	if text == "" {
		return
	}
	if !e.whitespace {
		e.write(" ")
	}
	e.whitespace, e.indention = false, false
	e.runs(text, fold, "", func(int, int) bool { return true })
}

func (e *emitter) singleQuoted(text string, fold bool) {
	e.indicator("'", true, false)
	n := len([]rune(text))
	e.runs(text, fold, "'", func(start, end int) bool { return start != 0 && end != n })
	e.indicator("'", false, false)
}

// runs writes words, spaces and line breaks. A single space beyond the width becomes
// a line break where mayFold says so; a quote is doubled.
func (e *emitter) runs(text string, fold bool, quote string, mayFold func(start, end int) bool) {
	runes := []rune(text)
	for start := 0; start < len(runes); {
		end := start + 1
		class := runClass(runes[start], quote)
		for class != 'q' && end < len(runes) && runClass(runes[end], quote) == class {
			end++
		}
		run := string(runes[start:end])
		switch {
		case class == 'q':
			e.write(quote + quote)
		case class == ' ' && end == start+1 && e.column > width && fold && mayFold(start, end):
			e.writeIndent()
			e.whitespace, e.indention = quote != "", quote != ""
		case class == 'b':
			if runes[start] == '\n' {
				e.lineBreak("\n")
			}
			for _, br := range run {
				e.lineBreak(string(br))
			}
			e.writeIndent()
		default:
			e.write(run)
		}
		start = end
	}
}

func runClass(r rune, quote string) byte {
	switch {
	case r == ' ':
		return ' '
	case strings.ContainsRune(breaks, r):
		return 'b'
	case quote != "" && string(r) == quote:
		return 'q'
	}
	return 'w'
}

var escapes = map[rune]string{
	0: "0", 7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 27: "e",
	'"': `"`, '\\': `\`, 0x85: "N", 0xa0: "_", 0x2028: "L", 0x2029: "P",
}

// doubleQuoted escapes what needs it, and folds long text with a backslash.
func (e *emitter) doubleQuoted(text string, fold bool) {
	e.indicator(`"`, true, false)
	runes := []rune(text)
	start := 0
	for end := 0; end <= len(runes); end++ {
		atEnd := end == len(runes)
		if atEnd || needsEscape(runes[end]) {
			if start < end {
				e.write(string(runes[start:end]))
				start = end
			}
			if !atEnd {
				e.write(escapeRune(runes[end]))
				start = end + 1
			}
		}
		if 0 < end && end < len(runes)-1 && (runes[end] == ' ' || start >= end) && e.column+end-start > width && fold {
			data := `\`
			if start < end {
				data = string(runes[start:end]) + `\`
				start = end
			}
			e.write(data)
			e.writeIndent()
			e.whitespace, e.indention = false, false
			if runes[start] == ' ' {
				e.write(`\`)
			}
		}
	}
	e.indicator(`"`, false, false)
}

func needsEscape(r rune) bool {
	if strings.ContainsRune("\"\\\u0085\u2028\u2029\ufeff", r) {
		return true
	}
	return !(r >= 0x20 && r <= 0x7e || r >= 0xa0 && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd)
}

func escapeRune(r rune) string {
	if s, ok := escapes[r]; ok {
		return `\` + s
	}
	switch {
	case r <= 0xff:
		return fmt.Sprintf(`\x%02X`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04X`, r)
	}
	return fmt.Sprintf(`\U%08X`, r)
}
