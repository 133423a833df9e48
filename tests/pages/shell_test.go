package pages

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// statement is a command of a block's first level, as it is run or left out.
type statement struct {
	text       string
	begin, end int // bytes of the block
	run        bool
	reason     string // for which it is not run; "" if it is
	fails      bool   // as the page says it does
	serves     bool   // it starts a server and does not return
	ampersand  int    // where "&" stands, if it is run in the background; else 0
}

// statements takes a block apart. The error is bash's, nearly: of a parser that reads its syntax.
func (b *block) statements() ([]statement, error) {
	f, err := parseShell(b.text)
	if err != nil {
		return nil, err
	}
	var out []statement
	for _, s := range f.Stmts {
		begin, end := int(s.Pos().Offset()), int(s.End().Offset())
		for _, r := range s.Redirs { // a here-document ends behind the statement
			if r.Hdoc != nil {
				end = max(end, int(r.Hdoc.End().Offset()))
			}
		}
		one := statement{text: b.text[begin:end], begin: begin, end: end, run: true}
		if args := words1(s.Cmd); len(args) > 0 {
			one.serves = serves(args)
			if s.Background {
				one.ampersand = int(s.Semicolon.Offset())
			}
		}
		for _, m := range b.marks {
			if reason, lines, ok := notRun(m); ok && strings.Contains(b.wholeLines(begin, end), lines) {
				one.run, one.reason = false, reason
			}
		}
		if _, elsewhere := b.marked("run by"); elsewhere {
			one.run = false
		}
		if which, ok := b.marked("fails"); ok {
			one.fails = strings.Contains(b.wholeLines(begin, end), which)
		}
		out = append(out, one)
	}
	return out, nil
}

// wholeLines is a part of the block with the comments at the ends of its lines.
func (b *block) wholeLines(begin, end int) string {
	begin = strings.LastIndexByte(b.text[:begin], '\n') + 1
	if n := strings.IndexByte(b.text[end:], '\n'); n >= 0 {
		end += n
	}
	return b.text[begin:end]
}

func parseShell(text string) (*syntax.File, error) {
	return syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), "")
}

// words1 are a simple command's words. What only a shell knows is "…".
func words1(c syntax.Command) []string {
	call, ok := c.(*syntax.CallExpr)
	if !ok {
		return nil
	}
	var out []string
	for _, w := range call.Args {
		text, err := expand.Literal(nil, known(w))
		if err != nil {
			text = "…"
		}
		out = append(out, text)
	}
	return out
}

// known is the word with "…" in the place of variables and commands.
func known(w *syntax.Word) *syntax.Word {
	var parts func(list []syntax.WordPart) []syntax.WordPart
	parts = func(list []syntax.WordPart) []syntax.WordPart {
		var out []syntax.WordPart
		for _, p := range list {
			switch p := p.(type) {
			case *syntax.Lit, *syntax.SglQuoted:
				out = append(out, p)
			case *syntax.DblQuoted:
				out = append(out, &syntax.DblQuoted{Parts: parts(p.Parts)})
			default:
				out = append(out, &syntax.Lit{Value: "…"})
			}
		}
		return out
	}
	return &syntax.Word{Parts: parts(w.Parts)}
}

func serves(args []string) bool {
	switch path.Base(args[0]) {
	case "make":
		return len(args) > 1 && args[1] == "serve"
	case "torchlit":
		return len(args) > 1 && args[1] == "serve"
	}
	return false
}

// checkShell reads the commands; TestCommands runs them.
func checkShell(t *testing.T, b *block) (how, []string) {
	list, err := b.statements()
	if err != nil {
		return read, []string{err.Error()}
	}
	if len(list) == 0 {
		return read, []string{"it has no command"}
	}
	h := read
	if _, elsewhere := b.marked("run by"); elsewhere || slices.ContainsFunc(list, func(s statement) bool { return s.run }) {
		h = ran
	}
	return h, checkCommands(t, b.text)
}

// checkCommands looks for what the simple commands of a text name, within others too.
func checkCommands(t *testing.T, text string) []string {
	f, err := parseShell(text)
	if err != nil {
		return []string{err.Error()}
	}
	var bad []string
	syntax.Walk(f, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok {
			for _, wrong := range checkCommand(t, words1(call)) {
				bad = append(bad, fmt.Sprintf("line %d: %s", call.Pos().Line(), wrong))
			}
		}
		return true
	})
	return bad
}

// runners are followed by a command.
var runners = []string{"env", "nice", "sudo", "exec", "time", "nohup", "srun", "mpirun"}

func checkCommand(t *testing.T, args []string) []string {
	if len(args) == 0 {
		return nil
	}
	name := args[0]
	switch {
	case path.Base(name) == "torchlit" && !strings.Contains(name, "…"):
		return checkTorchlit(t, args[1:])
	case name == "make":
		return checkMake(t, args[1:])
	case name == "go" && len(args) > 2 && args[1] == "run":
		return append(checkPaths(t, args[2:]), checkProgram(t, args[2], args[3:])...)
	case (name == "bash" || name == "sh") && len(args) > 2 && args[1] == "-c":
		return checkCommands(t, args[2])
	case slices.Contains(runners, name):
		if i := slices.IndexFunc(args, func(a string) bool { return path.Base(a) == "torchlit" || a == "bash" }); i > 0 {
			return checkCommand(t, args[i:])
		}
	}
	bad := checkPaths(t, args)
	if len(bad) == 0 && strings.Contains(name, "/") && !strings.HasPrefix(name, "/") {
		bad = checkScript(name, args[1:])
	}
	return append(bad, checkOverrides(t, name, args[1:])...)
}

// made are folders that commands write to; what lies in the others was committed.
var made = []string{"bin", "models", "data", "reports", "runs", ".deps"}

// checkPaths looks for each file of the repository that an argument names.
func checkPaths(t *testing.T, args []string) []string {
	names := trackedFiles(t)
	var bad []string
	for _, a := range args {
		if strings.HasPrefix(a, "/") {
			continue
		}
		a = path.Clean(strings.TrimPrefix(a, "./"))
		first, rest, below := strings.Cut(a, "/")
		if !below || strings.ContainsAny(a, "…*?{") || strings.HasSuffix(rest, "...") || slices.Contains(made, first) {
			continue
		}
		if inTree(names, first) && !inTree(names, a) {
			bad = append(bad, a+" is not in the repository")
		}
	}
	return bad
}

// checkScript looks for the flags in the script, or in the functions beside it.
func checkScript(name string, args []string) []string {
	info, err := os.Stat(name)
	if err != nil {
		return nil // checkPaths has told, or it is nothing of ours
	}
	if info.Mode()&0o111 == 0 {
		return []string{name + " cannot be executed"}
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return []string{err.Error()}
	}
	beside, _ := os.ReadDir(path.Dir(name))
	for _, f := range beside {
		if more, err := os.ReadFile(path.Join(path.Dir(name), f.Name())); err == nil && strings.Contains(string(text), f.Name()) {
			text = append(text, more...)
		}
	}
	var bad []string
	for _, a := range args {
		if flag, _, _ := strings.Cut(a, "="); strings.HasPrefix(flag, "--") && !strings.Contains(string(text), flag) {
			bad = append(bad, name+" knows no "+flag)
		}
	}
	return bad
}

// checkProgram looks for the flags of a Go program of the repository among the texts of its sources, and of those that it shares with
// its siblings.
func checkProgram(t *testing.T, program string, args []string) []string {
	program = path.Clean(program)
	var source strings.Builder
	for _, name := range trackedFiles(t) {
		if path.Ext(name) == ".go" && (strings.HasPrefix(name, program+"/") || strings.HasPrefix(name, path.Dir(program)+"/internal/")) {
			text, err := os.ReadFile(name)
			if err != nil {
				return []string{err.Error()}
			}
			source.Write(text)
		}
	}
	var bad []string
	for _, a := range args {
		flag, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if strings.HasPrefix(a, "-") && flag != "" && !strings.Contains(source.String(), `"`+flag+`"`) {
			bad = append(bad, program+" knows no -"+flag)
		}
	}
	return bad
}

var makefile = sync.OnceValues(func() (string, error) {
	text, err := os.ReadFile("Makefile")
	return string(text), err
})

// checkMake looks for targets and variables, and into ARGS, which go to the program.
func checkMake(t *testing.T, args []string) []string {
	rules, err := makefile()
	if err != nil {
		t.Fatal(err)
	}
	var bad []string
	target := ""
	for _, a := range args {
		variable, value, assigned := strings.Cut(a, "=")
		switch {
		case strings.HasPrefix(a, "-") || a == "…":
		case assigned && !regexp.MustCompile(`\b`+regexp.QuoteMeta(variable)+`\b`).MatchString(rules):
			bad = append(bad, "the Makefile has no variable "+variable)
		case assigned && variable == "ARGS" && slices.Contains([]string{"serve", "train", "eval"}, target):
			bad = append(bad, checkCommands(t, "torchlit "+target+" "+value)...)
		case assigned:
		case !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(a) + `:`).MatchString(rules):
			bad = append(bad, "the Makefile has no target "+a)
		default:
			target = a
		}
	}
	return bad
}

func TestCheckCommands(t *testing.T) {
	f := func(command, says string) {
		t.Helper()
		got := strings.Join(checkCommands(t, command), "; ")
		if says == "" && got != "" || !strings.Contains(got, says) {
			t.Errorf("%s: got %q; want %q", command, got, says)
		}
	}
	f(`make build lint test && make bench BENCH=x`, "")
	f("make tset", "no target tset")
	f("make serve AGRS=x", "no variable AGRS")
	f("make serve ARGS='--adr :80'", "unknown flag: --adr")
	f("torchlit serve --addr :80 --models …", "")
	f("bin/torchlit srve", `no command "srve"`)
	f("torchlit data", "")
	f("torchlit data make", `torchlit data has no command "make"`)
	f("torchlit data from-log --nope", "unknown flag: --nope")
	f("torchlit bench --rate often", "invalid argument")
	f("torchlit launch --nproc 2 -- train optim.lr=0.1", "")
	f("torchlit launch --nproc 2 -- train optim.lrr=0.1", `the nearest is "optim.lr"`)
	f("torchlit train --multirun optim.lr=0.05,0.1 resume=runs/x", "")
	f("torchlit train experiment=nope", "nope")
	f("srun bash -c 'torchlit train optim.lrr=1'", "optim.lr")
	f("deploy/gce/group.sh --dry-run", "")
	f("deploy/gce/group.sh --wet-run", "knows no --wet-run")
	f("deploy/gce/gruop.sh", "not in the repository")
	f("cat docs/source/nothing.md", "not in the repository")
	f("go run ./examples/mnist -data /tmp/mnist -seed 1", "")
	f("go run ./examples/mnist -date /tmp/mnist", "knows no -date")
	f("go run ./examples/mnst", "not in the repository")
	f("if x; then", "`then` must be followed")
}
