package report

import (
	"fmt"
	"strconv"
	"strings"
)

// percent writes a ratio for people, with the digits that its size deserves.
func percent(ratio float64) string {
	switch p := 100 * ratio; {
	case p == 0 || p == 100:
		return fmt.Sprintf("%.0f %%", p)
	case p < 0.1:
		return fmt.Sprintf("%.2g %%", p)
	case p > 99.99:
		return fmt.Sprintf("%.4f %%", p)
	default:
		return fmt.Sprintf("%.2f %%", p)
	}
}

// share is a percentage with one digit, for tables.
func share(ratio float64) string { return fmt.Sprintf("%.1f", 100*ratio) }

// count writes a number in groups of three.
func count(n int) string {
	digits := strconv.Itoa(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// images is a number of them in words.
func images(n int) string {
	if n == 1 {
		return "1 image"
	}
	return count(n) + " images"
}
