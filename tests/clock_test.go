package tests

import (
	"go/ast"
	"strings"
	"testing"
)

// wallClocks lists what reads the wall clock as a number, and why it may. Everything else compares times that carry the monotonic
// clock, so a jump of the machine's clock, at a start without a network or by an operator, moves no deadline and no rate.
var wallClocks = map[string]string{
	"server":           "times that are shown: of statistics, and of an answer's record",
	"monitor":          "the prediction log's times are dates; what is deleted by age is judged by the monotonic clock beside, see TestClock",
	"track":            "times in the records of trackers are dates",
	"repository":       "a file's time is compared with itself",
	"config/omegaconf": "the resolver now is a date",
	"cmd/torchlit":     "when a window of drift ended is exported as a date",
	"dataset":          "a file's time is compared with itself",
}

// readsWall are the methods that drop a time's monotonic reading.
var readsWall = map[string]bool{"Unix": true, "UnixMilli": true, "UnixMicro": true, "UnixNano": true}

// TestDurationsAreMonotonic: outside of wallClocks no code turns a time into a number.
func TestDurationsAreMonotonic(t *testing.T) {
	used := map[string]bool{}
	for _, p := range packages(t) {
		for name, f := range p.files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) != 0 {
					return true
				}
				if s, ok := call.Fun.(*ast.SelectorExpr); ok && readsWall[s.Sel.Name] {
					room := roomOfClock(p.dir)
					if used[room] = true; wallClocks[room] == "" {
						t.Errorf("%s takes the wall clock's number by %s: measure with time.Since, or say in wallClocks why it is a date", name, s.Sel.Name)
					}
				}
				return true
			})
		}
	}
	for room := range wallClocks {
		if !used[room] {
			t.Errorf("%s is on the list of those that read the wall clock, and does not: take it off", room)
		}
	}
}

// roomOfClock is the longest prefix of dir that is listed.
func roomOfClock(dir string) string {
	for d := dir; d != ""; {
		if _, ok := wallClocks[d]; ok {
			return d
		}
		i := strings.LastIndexByte(d, '/')
		if i < 0 {
			break
		}
		d = d[:i]
	}
	return dir
}
