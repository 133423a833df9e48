package report

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestShades: the page's light colours are the figures', and each has a dark one.
func TestShades(t *testing.T) {
	light, dark, ok := strings.Cut(asset("page.css"), "@media screen and (prefers-color-scheme: dark)")
	assert.True(t, ok)
	for _, s := range shades {
		hex := fmt.Sprintf("#%02x%02x%02x", s.color.R, s.color.G, s.color.B)
		assert.Contains(t, light, fmt.Sprintf("--%s: %s;", s.variable, hex))
		assert.Regexp(t, regexp.MustCompile(`--`+s.variable+`: #[0-9a-f]{6};`), dark)
		assert.Equal(t, "var(--"+s.variable+")", variableOf(strings.ToUpper(hex)), "two colours are too near one another")
	}
	assert.Panics(t, func() { variableOf("#00FF00") })
}

func TestRoundTicks(t *testing.T) {
	f := func(low, high float64, want string) {
		t.Helper()
		var labels []string
		for _, tick := range roundTicks(low, high) {
			labels = append(labels, tick.Label)
		}
		assert.Equal(t, want, strings.Join(labels, " "))
	}
	f(0, 100, "0 20 40 60 80 100")
	f(0, 1, "0.0 0.2 0.4 0.6 0.8 1.0")
	f(90, 100, "90 92 94 96 98 100")
	f(0.3, 2.6, "0.5 1.0 1.5 2.0 2.5")
	f(-3, 3, "-3 -2 -1 0 1 2 3")
	f(0, 20000, "0 5000 10000 15000 20000")
	f(5, 5, "5")
}

func TestWords(t *testing.T) {
	f := func(want, got string) {
		t.Helper()
		assert.Equal(t, want, got)
	}
	f("0 %", percent(0))
	f("100 %", percent(1))
	f("91.00 %", percent(0.91))
	f("0.012 %", percent(0.00012))
	f("99.9990 %", percent(0.99999))
	f("> 99.9 %", percent1(0.99999))
	f("< 0.1 %", percent1(0.00001))
	f("100.0 %", percent1(1))
	f("1,234,567", count(1234567))
	f("999", count(999))
	f("-1,000", count(-1000))
	f("1 image", images(1))
	f("airplane", shorten("airplane", 8))
	f("airpla…", shorten("airplanes", 7))
	f("名前…", shorten("名前は長い", 3))
	f("torchlit eval --data 'it'\\''s here' ''", shell([]string{"torchlit", "eval", "--data", "it's here", ""}))
}
