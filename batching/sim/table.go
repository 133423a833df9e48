package sim

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Table tells how long batches run: measured sizes, rising, and their times.
type Table []Point

// Point is one measured size.
type Point struct {
	Size int
	Took time.Duration
}

// Of interpolates between the measured sizes, and goes on in proportion above the largest.
func (t Table) Of(n int) time.Duration {
	for i, p := range t {
		if n > p.Size {
			continue
		}
		if i == 0 {
			return p.Took
		}
		before := t[i-1]
		return before.Took + (p.Took-before.Took)*time.Duration(n-before.Size)/time.Duration(p.Size-before.Size)
	}
	last := t[len(t)-1]
	return last.Took * time.Duration(n) / time.Duration(last.Size)
}

// ReadTable reads lines of size,seconds. Lines that begin with # say where the figures are from.
func ReadTable(r io.Reader) (Table, error) {
	var t Table
	err := eachLine(r, func(line string) error {
		size, took, ok := strings.Cut(line, ",")
		n, err := strconv.Atoi(size)
		if !ok || err != nil || n < 1 || len(t) > 0 && n <= t[len(t)-1].Size {
			return fmt.Errorf("cannot read %q: want a size above the last, a comma and seconds", line)
		}
		d, err := parseSeconds(took)
		if err != nil || d == 0 {
			return fmt.Errorf("cannot read %q: want a positive number of seconds after the comma", line)
		}
		t = append(t, Point{n, d})
		return nil
	})
	if err == nil && len(t) == 0 {
		err = fmt.Errorf("cannot read cost table: it has no line of size,seconds")
	}
	return t, err
}

// longestTrace is the longest time that a file may name, in seconds.
const longestTrace = 1e9

func parseSeconds(s string) (time.Duration, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= 0 && f <= longestTrace) {
		return 0, fmt.Errorf("cannot read %q: want seconds", s)
	}
	return time.Duration(f * float64(time.Second)), nil
}

// eachLine calls f for each line that is not empty or a comment, and says which one failed.
func eachLine(r io.Reader, f func(line string) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for n := 1; s.Scan(); n++ {
		line := strings.TrimSpace(s.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := f(line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return s.Err()
}
