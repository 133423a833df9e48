package omegaconf

import (
	"errors"
	"fmt"
	"regexp"
)

// The lexical grammar of interpolations has five modes, kept on a stack: top-level
// text, values (the arguments of a resolver), the inside of ${…}, and the two kinds
// of quoted text. In each, the longest token wins, and among equals the first one.

type tokenType int

const (
	tokStr tokenType = iota // text as it is
	tokEscInter
	tokTopEsc
	tokQuotedEsc
	tokInterOpen
	tokInterClose
	tokBraceOpen
	tokBraceClose
	tokQuoteOpen
	tokQuoteClose
	tokComma
	tokBracketOpen
	tokBracketClose
	tokColon
	tokFloat
	tokInt
	tokBool
	tokNull
	tokChar // a character that unquoted text may hold
	tokID
	tokEsc
	tokSpace
	tokDot
	tokKey
	tokEOF
)

type token struct {
	typ  tokenType
	text string
}

type mode int

const (
	topMode mode = iota
	valueMode
	interMode
	singleMode
	doubleMode
	popMode  mode = -1
	keepMode mode = -2
)

type tokenRule struct {
	typ     tokenType
	pattern *regexp.Regexp
	push    mode // what follows; keepMode for the same
	replace bool // push takes the place of the current mode
}

func rule(typ tokenType, pattern string, push mode) tokenRule {
	re := regexp.MustCompile(`^(?:` + pattern + `)`)
	re.Longest()
	return tokenRule{typ: typ, pattern: re, push: push}
}

const (
	intPattern   = `(?:0|[1-9](?:_?[0-9])*)`
	pointPattern = `(?:` + intPattern + `\.|` + intPattern + `?\.[0-9](?:_?[0-9])*)`

	// The scalars are the same in command-line overrides.

	// FloatPattern, IntPattern, IDPattern and EscPattern are regular expressions of
	// tokens that interpolations and hydra's overrides have in common.
	FloatPattern = `[+-]?(?:` + pointPattern + `|(?:` + intPattern + `|` + pointPattern + `)[eE][+-]?[0-9](?:_?[0-9])*|(?i:inf|nan))`
	IntPattern   = `[+-]?` + intPattern
	IDPattern    = `[a-zA-Z_][a-zA-Z0-9_-]*`
	EscPattern   = `(?:\\[\\()\[\]{}:=, \t])+`
)

var scanRules = map[mode][]tokenRule{
	topMode: {
		rule(tokInterOpen, `\$\{[ \t]*`, interMode),
		rule(tokStr, `[^$]*[^\\$]`, keepMode),
		rule(tokEscInter, `(?:\\\\)*\\\$\{`, keepMode),
		rule(tokTopEsc, `(?:\\\\)+`, keepMode),
		rule(tokStr, `\\+`, keepMode),
		rule(tokStr, `\$`, keepMode),
	},
	valueMode: {
		rule(tokInterOpen, `\$\{[ \t]*`, interMode),
		rule(tokBraceOpen, `\{[ \t]*`, valueMode),
		rule(tokBraceClose, `[ \t]*\}`, popMode),
		rule(tokQuoteOpen, `'`, singleMode),
		rule(tokQuoteOpen, `"`, doubleMode),
		rule(tokComma, `[ \t]*,[ \t]*`, keepMode),
		rule(tokBracketOpen, `\[[ \t]*`, keepMode),
		rule(tokBracketClose, `[ \t]*\]`, keepMode),
		rule(tokColon, `[ \t]*:[ \t]*`, keepMode),
		rule(tokFloat, FloatPattern, keepMode),
		rule(tokInt, IntPattern, keepMode),
		rule(tokBool, `(?i:true|false)`, keepMode),
		rule(tokNull, `(?i:null)`, keepMode),
		rule(tokChar, `[/\-\\+.$%*@?|]`, keepMode),
		rule(tokID, IDPattern, keepMode),
		rule(tokEsc, EscPattern, keepMode),
		rule(tokSpace, `[ \t]+`, keepMode),
	},
	interMode: {
		rule(tokInterOpen, `\$\{[ \t]*`, interMode),
		{tokColon, rule(tokColon, `[ \t]*:[ \t]*`, keepMode).pattern, valueMode, true},
		rule(tokInterClose, `[ \t]*\}`, popMode),
		rule(tokDot, `\.`, keepMode),
		rule(tokBracketOpen, `\[`, keepMode),
		rule(tokBracketClose, `\]`, keepMode),
		rule(tokID, IDPattern, keepMode),
		rule(tokKey, `[^\\{}()\[\]:. \t'"]+`, keepMode),
	},
	singleMode: quotedRules(`'`),
	doubleMode: quotedRules(`"`),
}

func quotedRules(quote string) []tokenRule {
	return []tokenRule{
		rule(tokInterOpen, `\$\{[ \t]*`, interMode),
		rule(tokQuoteClose, quote, popMode),
		rule(tokStr, `[^`+quote+`$]*[^`+quote+`\\$]`, keepMode),
		rule(tokEscInter, `(?:\\\\)*\\\$\{`, keepMode),
		rule(tokEsc, `(?:\\\\)*\\`+quote, keepMode),
		rule(tokQuotedEsc, `(?:\\\\)+`, keepMode),
		rule(tokStr, `\\+`, keepMode),
		rule(tokStr, `\$`, keepMode),
	}
}

// scan splits text into tokens, starting in the given mode.
func scan(text string, start mode) ([]token, error) {
	var tokens []token
	stack := []mode{start}
	for len(text) > 0 {
		best, length := tokenRule{}, 0
		for _, r := range scanRules[stack[len(stack)-1]] {
			if n := len(r.pattern.FindString(text)); n > length {
				best, length = r, n
			}
		}
		if length == 0 {
			return nil, fmt.Errorf("%q is not expected there", text)
		}
		tokens = append(tokens, token{best.typ, text[:length]})
		text = text[length:]
		switch {
		case best.push == popMode && len(stack) == 1:
			return nil, errors.New("a closing brace is without its opening one")
		case best.push == popMode:
			stack = stack[:len(stack)-1]
		case best.replace:
			stack[len(stack)-1] = best.push
		case best.push != keepMode:
			stack = append(stack, best.push)
		}
	}
	return append(tokens, token{typ: tokEOF}), nil
}
