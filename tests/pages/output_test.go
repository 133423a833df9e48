package pages

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// likeOutput reports where an output differs from what a page shows of it. In a text each number stands for any number and "…" for
// anything, and what comes before and behind may be missing. Of JSON the keys and the kinds of values are compared.
func likeOutput(b *block, got string) error {
	if b.language == "json" {
		return likeJSON(b.text, got)
	}
	want := textPattern(b.text)
	if !want.MatchString(squeeze(got)) {
		return fmt.Errorf("got\n%swant\n%s", got, b.text)
	}
	return nil
}

var (
	number = regexp.MustCompile(`[-+]?[0-9]+(?:[.,:×][0-9]+)*(?:e[-+]?[0-9]+)?`)
	spaces = regexp.MustCompile(`[ \t]+`)
)

// squeeze makes columns that numbers of other widths move comparable.
func squeeze(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimSpace(spaces.ReplaceAllString(line, " ")))
	}
	return strings.Join(lines, "\n") + "\n"
}

func textPattern(shown string) *regexp.Regexp {
	var out strings.Builder
	for line := range strings.Lines(squeeze(shown)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "…" {
			out.WriteString(`(?:.*\n)*?`)
			continue
		}
		var parts []string
		for _, part := range strings.Split(line, "…") {
			parts = append(parts, digits(part))
		}
		out.WriteString(strings.Join(parts, ".*") + `\n+`)
	}
	return regexp.MustCompile(`(?m)^` + out.String())
}

// digits is the pattern of a text with its numbers free.
func digits(text string) string {
	quoted := regexp.QuoteMeta(number.ReplaceAllString(text, "\x00"))
	return strings.ReplaceAll(quoted, "\x00", number.String())
}

// likeJSON compares the values that a page shows with the last ones of an output.
func likeJSON(shown, got string) error {
	want, err := jsonValues(wildJSON(shown))
	if err != nil {
		return err
	}
	at := strings.IndexAny(got, "{[")
	if at < 0 {
		return fmt.Errorf("it is no JSON: %s", got)
	}
	all, err := jsonValues(got[at:])
	if err != nil {
		return fmt.Errorf("%w: %s", err, got)
	}
	if len(all) < len(want) {
		return fmt.Errorf("%d values; the page shows %d", len(all), len(want))
	}
	for i, w := range want {
		if err := likeValue(w, all[len(all)-len(want)+i], strings.Contains(shown, "…}"), ""); err != nil {
			return fmt.Errorf("%w, in %s", err, got)
		}
	}
	return nil
}

// likeValue is strict about keys unless the page says that some are left out. null is a "…" of the page.
func likeValue(want, got any, partial bool, at string) error {
	if want == nil {
		return nil
	}
	if a, b := fmt.Sprintf("%T", want), fmt.Sprintf("%T", got); a != b {
		return fmt.Errorf("%s is %s, not %s", at, b, a)
	}
	switch w := want.(type) {
	case map[string]any:
		g := got.(map[string]any)
		for key, value := range w {
			if _, ok := g[key]; !ok {
				return fmt.Errorf("%s has no %q", at, key)
			}
			if err := likeValue(value, g[key], partial, at+"."+key); err != nil {
				return err
			}
		}
		for key := range g {
			if _, ok := w[key]; !ok && !partial {
				return fmt.Errorf("%s has %q, too", at, key)
			}
		}
	case []any:
		g := got.([]any)
		if len(g) < len(w) {
			return fmt.Errorf("%s has %d elements; the page shows %d", at, len(g), len(w))
		}
		for i := range w {
			if err := likeValue(w[i], g[i], partial, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestLikeOutput(t *testing.T) {
	f := func(language, shown, got, says string) {
		t.Helper()
		err := likeOutput(&block{language: language, text: shown}, got)
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: got %v; want %q", shown, err, says)
		}
	}
	f("text", "accuracy 91.00 %  on 5000 images\n\n  cat 1\n…\nend …\n", "x\naccuracy 5 % on 12 images\n\n\n   cat   12\n dog 1\n a\nend of it\nmore\n", "")
	f("text", "accuracy 91.00 %\n", "acuracy 91.00 %\n", "want")
	f("text", "labels 5\n", "labels x\n", "want")
	f("text", "a\nc\n", "a\nb\nc\n", "want")
	f("json", `{"a": 1, "b": [{"c": "x"}, …]}`, `saved {"a": 2.5, "b": [{"c": "y"}]}`, "")
	f("json", `{"a": 1}`, `{"b": 1} {"a": 2}`, "")
	f("json", `{"a": 1}`, `{"a": 2, "b": 3}`, `has "b", too`)
	f("json", `{"a": 1, …}`, `{"a": 2, "b": 3}`, "")
	f("json", `{"a": 1, "c": …}`, `{"a": 2}`, `has no "c"`)
	f("json", `{"a": 1}`, `{"a": "1"}`, "is string")
	f("json", `{"a": 1}`, `curl: no`, "no JSON")
}

func TestJSON(t *testing.T) {
	got, err := jsonValues(wildJSON(`{"a":"…","b":[1,…],"c":…,"d":{…}} {"…": 1, …}`))
	if want := []any{map[string]any{"a": "…", "b": []any{1.0}, "c": nil, "d": map[string]any{}}, map[string]any{"…": 1.0}}; err != nil || show(got) != show(want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}
