//go:build interop

package interop

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A section begins with "# name [options of pip]: what it is" and ends with an empty line.
var heading = regexp.MustCompile(`^# ([a-z][a-z0-9.-]*)(?: \[([^\]]+)\])?: `)

// requirements returns what pip is to install for a section: its options and the lines of the section.
func requirements(t testing.TB, root, section string) []string {
	t.Helper()
	for _, name := range []string{"requirements_dev.txt", "requirements.txt"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if wanted := find(string(text), section); wanted != nil {
			return wanted
		}
	}
	t.Fatalf("neither requirements_dev.txt nor requirements.txt has a section %q with packages in it", section)
	return nil
}

func find(text, section string) []string {
	var options, packages []string
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		m := heading.FindStringSubmatch(line)
		switch {
		case !inside && m != nil && m[1] == section:
			inside, options = true, strings.Fields(m[2])
		case inside && line == "":
			return append(options, packages...)
		case inside && !strings.HasPrefix(line, "#"):
			packages = append(packages, line)
		}
	}
	return append(options, packages...)
}
