package pages

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// reasons are those for which a command of a page is not run. It is still read: its flags, targets, settings and files exist.
var reasons = map[string]string{
	"gpu":      "it needs a GPU",
	"cloud":    "it needs an account of Google Cloud or GitHub, and changes what is there",
	"docker":   "it builds or runs images",
	"download": "it fetches what is large, or not ours",
	"long":     "it takes minutes or more, however small the data",
	"machines": "it needs other machines, services or another system",
	"install":  "it installs programs, or changes the machine",
	"tests":    "it is the suite that this test is part of, or a part of it",
	"tool":     "it needs a program that is not among those which make test may expect",
	"excerpt":  "it shows a part whose beginning is not on the page",
}

// how says how a block is checked.
type how int

const (
	unchecked how = iota // nothing of it can be wrong for a program
	read                 // parsed, and what it names looked for
	ran
)

// languages are those that blocks may have, and what is done about them. A rule returns what is wrong.
var languages = map[string]func(t *testing.T, b *block) (how, []string){
	"sh":      checkShell,
	"go":      checkGo,
	"python":  checkPython,
	"js":      checkJS,
	"json":    checkJSON,
	"yaml":    checkYAML,
	"text":    checkText,
	"diff":    checkText,
	"mermaid": checkText,
}

var words = map[string]string{"": "text", "bash": "sh", "shell": "sh", "console": "sh, and an output block behind it", "javascript": "js", "py": "python", "yml": "yaml"}

// TestBlocks reads each code block of each page by the rules of its language. TestCommands runs those that can be run.
func TestBlocks(t *testing.T) {
	counts := tally{map[string]*[3]int{}, map[string]int{}}
	for _, p := range allPages(t) {
		for _, m := range p.strayed {
			t.Errorf("%s:%d: <!-- %s --> stands before no code block", p.name, m.line, m.text)
		}
		for _, line := range p.indented {
			t.Errorf("%s:%d: code stands between fences (```sh), where its language is written", p.name, line)
		}
		for i, b := range p.blocks {
			rule := languages[b.language]
			if rule == nil {
				t.Errorf("%s:%d: %s", p.name, b.line, unknownLanguage(b.language))
				continue
			}
			h, wrong := rule(t, b)
			wrong = append(wrong, wrongMarks(b, p.blocks[:i])...)
			for _, w := range wrong {
				t.Errorf("%s:%d: %s", p.name, b.line, w)
			}
			counts.add(b, h)
		}
		for _, c := range p.inline {
			for _, w := range checkInline(t, c.text) {
				t.Errorf("%s:%d: `%s`: %s", p.name, c.line, c.text, w)
			}
		}
	}
	counts.report(t)
}

func unknownLanguage(language string) string {
	if better := words[language]; better != "" {
		return fmt.Sprintf("the block's language is %q: write %s", language, better)
	}
	return fmt.Sprintf("no rule checks blocks in %q; there are rules for %q (tests/pages/blocks_test.go)", language, slices.Sorted(maps.Keys(languages)))
}

// notRun splits "reason" or "reason, text of the lines".
func notRun(m mark) (reason, lines string, ok bool) {
	rest, ok := strings.CutPrefix(m.text, "not run:")
	reason, lines, _ = strings.Cut(rest, ",")
	return strings.TrimSpace(reason), strings.TrimSpace(lines), ok
}

// wrongMarks looks at the comments above a block.
func wrongMarks(b *block, before []*block) []string {
	var bad []string
	for _, m := range b.marks {
		word, _, _ := strings.Cut(m.text, ":")
		if reason, lines, ok := notRun(m); ok {
			if reasons[reason] == "" {
				bad = append(bad, fmt.Sprintf("<!-- not run: %s -->: the reason is one of %q", reason, slices.Sorted(maps.Keys(reasons))))
			}
			if b.language != "sh" {
				bad = append(bad, "only commands (sh) are run, and can be marked as not run")
			}
			if !strings.Contains(b.text, lines) {
				bad = append(bad, fmt.Sprintf("no line has %q, which <!-- %s --> leaves out", lines, m.text))
			}
			continue
		}
		switch word {
		case "output":
			if i := len(before) - 1; i < 0 || before[i].language != "sh" && !isOutput(before[i]) {
				bad = append(bad, "<!-- output --> stands before no answer of the commands above it")
			} else if b.language != "text" && b.language != "json" {
				bad = append(bad, "an output is text or json")
			}
		case "fails":
			if which, _ := b.marked("fails"); b.language != "sh" || !strings.Contains(b.text, which) {
				bad = append(bad, fmt.Sprintf("no command has %q, which fails", which))
			}
		case "keys of", "within":
		default:
			file, ok := strings.CutPrefix(m.text, "run by ")
			if !ok {
				bad = append(bad, fmt.Sprintf("<!-- %s --> is none of: not run, run by, fails, output, keys of, within", m.text))
			} else if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), b.page.base()) {
				bad = append(bad, fmt.Sprintf("%s does not run it: it does not name %s", file, b.page.base()))
			}
		}
	}
	return bad
}

var commandOfOurs = regexp.MustCompile(`^(bin/)?torchlit [a-z]|^make [a-z]`)

// checkInline reads the commands that stand in a sentence.
func checkInline(t *testing.T, text string) []string {
	if !commandOfOurs.MatchString(text) || strings.ContainsAny(text, "<") {
		return nil
	}
	// A sentence may name a flag and leave out its value.
	return slices.DeleteFunc(checkCommands(t, text), func(wrong string) bool { return strings.Contains(wrong, "flag needs an argument") })
}

func isOutput(b *block) bool { _, ok := b.marked("output"); return ok }

// base is the page's name without its folder.
func (p *page) base() string { return p.name[strings.LastIndex(p.name, "/")+1:] }

func checkText(_ *testing.T, b *block) (how, []string) {
	if isOutput(b) {
		return ran, nil
	}
	return unchecked, nil
}

// mostNotRun is how many commands are only read. Who adds one that is not run lets the number grow here, where the change is seen; who
// takes one away makes it smaller.
const mostNotRun = 171

// tally counts what is done about blocks, by language, and about commands, by the reason for which they are not run.
type tally struct {
	blocks   map[string]*[3]int
	commands map[string]int
}

func (c *tally) add(b *block, h how) {
	if c.blocks[b.language] == nil {
		c.blocks[b.language] = new([3]int)
	}
	c.blocks[b.language][h]++
	if b.language != "sh" {
		return
	}
	list, err := b.statements()
	if err != nil {
		return // told by the rule
	}
	for _, s := range list {
		c.commands[s.reason]++
	}
}

// report prints the tally, and fails when less is run than was.
func (c *tally) report(t *testing.T) {
	total := [3]int{}
	t.Logf("%-12s %5s %5s %8s", "blocks", "run", "read", "neither")
	for _, language := range slices.Sorted(maps.Keys(c.blocks)) {
		n := c.blocks[language]
		for i := range total {
			total[i] += n[i]
		}
		t.Logf("%-12s %5d %5d %8d", language, n[ran], n[read], n[unchecked])
	}
	t.Logf("%-12s %5d %5d %8d", "all", total[ran], total[read], total[unchecked])
	notRun := 0
	t.Logf("%-12s %5d", "commands run", c.commands[""])
	for _, reason := range slices.Sorted(maps.Keys(c.commands)) {
		if reason != "" {
			t.Logf("%-12s %5d  %s", "not: "+reason, c.commands[reason], reasons[reason])
			notRun += c.commands[reason]
		}
	}
	if notRun > mostNotRun {
		t.Errorf("%d commands are not run, and tests/pages/blocks_test.go allows %d: let one more be run, or the number grow", notRun, mostNotRun)
	}
}
