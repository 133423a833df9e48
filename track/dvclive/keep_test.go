package dvclive

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// FuzzKeep: of whatever is in a history, only whole rows up to the step stay, in their order, and a second time all of these.
func FuzzKeep(f *testing.F) {
	f.Add([]byte("step\tloss\n0\t1.5\n1\t1.25\n2\t1\n"), int64(1))
	f.Add([]byte("step\tloss\n0\t1.5\n1\t1.2"), int64(5))
	f.Add([]byte("step\tloss\n0\t1.5\n1\t\n\n2\t1\t7\nx\ty\n"), int64(5))
	f.Add([]byte(""), int64(0))
	file := filepath.Join(f.TempDir(), "loss.tsv")
	f.Fuzz(func(t *testing.T, data []byte, step int64) {
		read := func(data []byte) (string, string) {
			if err := os.WriteFile(file, data, 0o644); err != nil {
				t.Fatal(err)
			}
			last, err := keep(file, step)
			if err != nil {
				t.Fatal(err)
			}
			kept, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			return last, string(kept)
		}
		last, kept := read(data)
		_, rows, _ := strings.Cut(kept, "\n")
		for line := range strings.Lines(rows) {
			at, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			n, err := strconv.ParseInt(at, 10, 64)
			if !ok || err != nil || n > step || !strings.HasSuffix(line, "\n") || strings.Contains(value, "\t") || !strings.Contains(string(data), line) {
				t.Fatalf("step %d: %q stays", step, line)
			}
		}
		if again, twice := read([]byte(kept)); again != last || twice != kept {
			t.Fatalf("%q becomes %q", kept, twice)
		}
	})
}
