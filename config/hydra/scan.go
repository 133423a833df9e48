package hydra

import (
	"fmt"
	"regexp"

	"github.com/torchlit/torchlit/config/omegaconf"
)

// The lexical grammar of overrides has two modes: the key's, and behind the first
// equals sign the value's. In each, the longest token wins, and among equals the
// first one.

type tokenType int

const (
	tokEqual tokenType = iota
	tokTilde
	tokPlus
	tokAt
	tokColon
	tokSlash
	tokID
	tokSpecial // a key with $ in it
	tokPath    // a.b
	tokOpen    // (
	tokComma
	tokClose
	tokBracketOpen
	tokBracketClose
	tokBraceOpen
	tokBraceClose
	tokFloat
	tokInt
	tokBool
	tokNull
	tokChar // a character that unquoted text may hold
	tokEsc
	tokSpace
	tokQuoted
	tokInterpolation
	tokEOF
)

type token struct {
	typ  tokenType
	text string
}

type tokenRule struct {
	typ     tokenType
	pattern *regexp.Regexp
}

func rules(pairs ...any) []tokenRule {
	var list []tokenRule
	for i := 0; i < len(pairs); i += 2 {
		re := regexp.MustCompile(`^(?:` + pairs[i+1].(string) + `)`)
		re.Longest()
		list = append(list, tokenRule{pairs[i].(tokenType), re})
	}
	return list
}

const (
	special  = `[a-zA-Z_$][a-zA-Z0-9_\-$]*`
	pathPart = `(?:` + special + `|0|[1-9](?:_?[0-9])*)`
)

var keyRules = rules(
	tokEqual, `=[ \t]*`,
	tokTilde, `~`,
	tokPlus, `\+`,
	tokAt, `@`,
	tokColon, `:`,
	tokSlash, `/`,
	tokID, omegaconf.IDPattern,
	tokSpecial, special,
	tokPath, pathPart+`(?:\.`+pathPart+`)+`,
)

var valueRules = rules(
	tokOpen, `[ \t]*\([ \t]*`,
	tokComma, `[ \t]*,[ \t]*`,
	tokClose, `[ \t]*\)`,
	tokBracketOpen, `\[[ \t]*`,
	tokBracketClose, `[ \t]*\]`,
	tokBraceOpen, `\{[ \t]*`,
	tokBraceClose, `[ \t]*\}`,
	tokColon, `[ \t]*:[ \t]*`,
	tokEqual, `[ \t]*=[ \t]*`,
	tokFloat, omegaconf.FloatPattern,
	tokInt, omegaconf.IntPattern,
	tokBool, `(?i:true|false)`,
	tokNull, `(?i:null)`,
	tokChar, `[/\-\\+.$%*@?|]`,
	tokID, omegaconf.IDPattern,
	tokEsc, omegaconf.EscPattern,
	tokSpace, `[ \t]+`,
	tokInterpolation, `\$\{[^}]+\}`,
)

// scan splits an override into tokens.
func scan(text string) ([]token, error) {
	var tokens []token
	mode := keyRules
	for len(text) > 0 {
		best, length := tokenType(0), 0
		for _, r := range mode {
			if n := len(r.pattern.FindString(text)); n > length {
				best, length = r.typ, n
			}
		}
		if c := text[0]; length == 0 && (c == '"' || c == '\'') && len(mode) == len(valueRules) {
			best, length = tokQuoted, quotedLength(text)
		}
		if length == 0 {
			return nil, fmt.Errorf("%q is not expected there; quote the value to make it text", text)
		}
		tokens = append(tokens, token{best, text[:length]})
		text = text[length:]
		if best == tokEqual {
			mode = valueRules
		}
	}
	return append(tokens, token{typ: tokEOF}), nil
}

// quotedLength is the length of the quoted text that s begins with: up to the first
// quote behind an even number of backslashes, 0 if there is none.
func quotedLength(s string) int {
	backslashes := 0
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			backslashes++
			continue
		case s[i] == s[0] && backslashes%2 == 0:
			return i + 1
		}
		backslashes = 0
	}
	return 0
}
