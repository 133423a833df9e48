package omegaconf

import "strings"

// analysis says how a text may be written.
type analysis struct{ multiline, plain, single bool }

const breaks = "\n\u0085\u2028\u2029"

func analyze(text string) analysis {
	if text == "" {
		return analysis{plain: true, single: true}
	}
	runes := []rune(text)
	blank := func(i int) bool {
		return i < 0 || i >= len(runes) || strings.ContainsRune("\x00 \t\r"+breaks, runes[i])
	}
	isBreak := func(i int) bool {
		return i >= 0 && i < len(runes) && strings.ContainsRune(breaks, runes[i])
	}
	last := len(runes) - 1
	var a analysis
	indicators := strings.HasPrefix(text, "---") || strings.HasPrefix(text, "...")
	special, breakSpace, spaceBreak := false, false, false
	for i, r := range runes {
		switch {
		case i == 0 && strings.ContainsRune("#,[]{}&*!|>'\"%@`", r),
			i == 0 && strings.ContainsRune("?-", r) && blank(1),
			r == ':' && blank(i+1),
			i > 0 && r == '#' && blank(i-1):
			indicators = true
		}
		a.multiline = a.multiline || isBreak(i)
		special = special || !(r == '\n' || r >= 0x20 && r <= 0x7e || printable(r))
		breakSpace = breakSpace || r == ' ' && isBreak(i-1)
		spaceBreak = spaceBreak || isBreak(i) && i > 0 && runes[i-1] == ' '
	}
	edge := runes[0] == ' ' || isBreak(0) || runes[last] == ' ' || isBreak(last)
	a.plain = !edge && !breakSpace && !spaceBreak && !special && !a.multiline && !indicators
	a.single = !breakSpace && !spaceBreak && !special
	return a
}

// printable is what PyYAML writes as it is beside ASCII.
func printable(r rune) bool {
	return r != 0xfeff && (r == 0x85 || r >= 0xa0 && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r >= 0x10000 && r < 0x10ffff)
}
