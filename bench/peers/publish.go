package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/torchlit/torchlit/bench"
)

// publish puts figures into a page, between the comments that stand around what this program wrote before:
//
//	<!-- measured: NAME -->
//	…
//	<!-- end -->
//
// so that a figure in the page is one that the command beside it gave.
func (s *settings) publish(name, text string) error {
	if s.page == "" {
		return nil
	}
	page, err := os.ReadFile(s.page)
	if err != nil {
		return fmt.Errorf("cannot write the figures into the page: %w", err)
	}
	changed, err := replaceMeasured(string(page), name, text)
	if err != nil {
		return fmt.Errorf("cannot write the figures into %q: %w", s.page, err)
	}
	if err := os.WriteFile(s.page, []byte(changed), 0o644); err != nil {
		return fmt.Errorf("cannot write the figures into the page: %w", err)
	}
	return nil
}

func replaceMeasured(page, name, text string) (string, error) {
	begin, end := "<!-- measured: "+name+" -->\n", "<!-- end -->"
	before, rest, ok := strings.Cut(page, begin)
	if !ok {
		return "", fmt.Errorf("it has no line %q; add it, and %q where the figures end", strings.TrimSpace(begin), end)
	}
	old, after, ok := strings.Cut(rest, end)
	if !ok || strings.Contains(old, "<!-- measured:") {
		return "", fmt.Errorf("no %q follows %q", end, strings.TrimSpace(begin))
	}
	return before + begin + strings.TrimSpace(text) + "\n" + end + after, nil
}

// origin says where figures come from.
func origin(began time.Time, m bench.Machine, command string) string {
	return fmt.Sprintf("%s, %d processors of a %s (%s): `%s`", began.Format(time.DateOnly), m.Processors, strings.TrimSpace(m.CPU), m.System, command)
}

// rounded is a spread as a table has it.
func (s spread) rounded() string { return fmt.Sprintf("%.2f (%.2f–%.2f)", s.Median, s.Least, s.Most) }
