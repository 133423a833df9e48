package pages

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// page is a Markdown file, read as GitHub and mkdocs both read it.
type page struct {
	name     string // from the root of the repository
	blocks   []*block
	links    []link
	ids      map[string]bool   // what "#..." may name, by GitHub's rule
	mkdocs   map[string]string // an id of a heading, and what mkdocs makes of the same heading
	inline   []inline          // code within a line
	indented []int             // lines of code that is marked by its indentation alone
	strayed  []mark            // marks that stand before no block
	broken   []mark            // references that nothing defines, and blocks that do not end
}

// block is a fenced code block.
type block struct {
	page     *page
	line     int // of the opening fence, from 1
	language string
	text     string // without the fence's own indentation
	marks    []mark
}

// mark is an HTML comment above a block: nobody sees it on the page, and it says how the block is checked.
type mark struct {
	line int
	text string
}

type inline struct {
	line int
	text string
}

var (
	opening = regexp.MustCompile("^( *)(`{3,}|~{3,}) *([A-Za-z0-9+#-]*)(.*)$")
	comment = regexp.MustCompile(`^\s*<!--\s*(.*?)\s*-->\s*$`)
	// markWords are how a comment that is meant for these tests begins.
	markWords = regexp.MustCompile(`^(not run|run by|fails|output|keys of|within)\b`)
)

func parse(name, text string) *page {
	p := &page{name: name}
	lines := strings.Split(text, "\n")
	var marks []mark
	for i := 0; i < len(lines); i++ {
		if c := comment.FindStringSubmatch(lines[i]); c != nil {
			if markWords.MatchString(c[1]) {
				marks = append(marks, mark{i + 1, c[1]})
			}
			continue
		}
		m := opening.FindStringSubmatch(lines[i])
		if m == nil {
			if strings.TrimSpace(lines[i]) != "" {
				p.strayed = append(p.strayed, marks...)
				marks = nil
			}
			continue
		}
		b := &block{page: p, line: i + 1, language: m[3], marks: marks}
		marks = nil
		closing := regexp.MustCompile("^ *" + m[2][:1] + "{" + string(rune('0'+len(m[2]))) + ",} *$")
		var body []string
		for i++; i < len(lines) && !closing.MatchString(lines[i]); i++ {
			body = append(body, outdent(lines[i], len(m[1])))
		}
		if i == len(lines) {
			p.broken = append(p.broken, mark{b.line, "the code block has no end"})
		}
		b.text = strings.Join(body, "\n") + "\n"
		p.blocks = append(p.blocks, b)
	}
	p.strayed = append(p.strayed, marks...)
	p.readLinks(unfold(lines))
	return p
}

// outdent takes up to n spaces from the beginning of a line.
func outdent(line string, n int) string {
	for n > 0 && strings.HasPrefix(line, " ") {
		line, n = line[1:], n-1
	}
	return line
}

// folder begins what mkdocs folds, marks or puts behind a tab; the text in it is indented by four spaces, which elsewhere means code.
var folder = regexp.MustCompile(`^( *)(!!!|\?\?\?\+?|===\+?!?) `)

// unfold gives such text the indentation of its surroundings, so that its links are found. Lines keep their numbers.
func unfold(lines []string) string {
	out := slices.Clone(lines)
	for i := range out {
		m := folder.FindStringSubmatch(out[i])
		if m == nil {
			continue
		}
		inner := m[1] + "    "
		for j := i + 1; j < len(out) && (strings.TrimSpace(out[j]) == "" || strings.HasPrefix(out[j], inner)); j++ {
			out[j] = strings.TrimPrefix(out[j], "    ")
		}
		out[i] = ""
	}
	return strings.Join(out, "\n")
}

// marked returns what the first mark of this kind says behind the word and a colon.
func (b *block) marked(word string) (string, bool) {
	for _, m := range b.marks {
		if rest, ok := strings.CutPrefix(m.text, word); ok && (rest == "" || rest[0] == ':' || rest[0] == ' ') {
			return strings.TrimSpace(strings.TrimLeft(rest, ":")), true
		}
	}
	return "", false
}

func TestParse(t *testing.T) {
	p := parse("a.md", strings.Join([]string{
		"# Exporting: `int8` & more", "",
		"See [this](b.md#x), ![that](c.png), [ref][r], [lost][nothing], <https://example.com> and `torchlit doctor`.", "",
		"[r]: d.md", "",
		`<img src="e.png"> <a id="here" href="f.md">f</a>`, "",
		"<!-- not run: gpu -->", "```sh", "make [x](y.md)", "```", "",
		`=== "Linux"`, "", "    Text with [g](g.md).", "", "    ```sh", "    a", "      b", "    ```", "",
		"<!-- output -->", "text", "", "    indented", "",
		"## Same", "", "## Same", "", "```", "open",
	}, "\n"))
	var targets []string
	for _, l := range p.links {
		targets = append(targets, l.target)
	}
	f := func(what string, got, want any) {
		t.Helper()
		if g, w := show(got), show(want); g != w {
			t.Errorf("%s: got %s; want %s", what, g, w)
		}
	}
	f("links", targets, []string{"b.md#x", "c.png", "d.md", "https://example.com", "e.png", "f.md", "g.md"})
	f("lines", []int{p.links[0].line, p.links[4].line, p.links[6].line}, []int{3, 7, 16})
	f("ids", p.ids, map[string]bool{"exporting-int8--more": true, "here": true, "same": true, "same-1": true})
	f("mkdocs", p.mkdocs, map[string]string{"exporting-int8--more": "exporting-int8-more", "same": "same", "same-1": "same_1"})
	f("inline", p.inline, []inline{{1, "int8"}, {3, "torchlit doctor"}})
	f("strayed", p.strayed, []mark{{23, "output"}})
	f("broken", p.broken, []mark{{32, "the code block has no end"}, {3, "[lost][nothing]"}})
	f("indented", p.indented, []int{26})
	f("blocks", []any{p.blocks[0].line, p.blocks[0].marks, p.blocks[1].text, p.blocks[2].language}, []any{10, []mark{{9, "not run: gpu"}}, "a\n  b\n", ""})
}
