package sim

import (
	"fmt"
	"os"
	"strings"
)

// FillPage puts text between a line begins and the line <!-- end --> that follows it in the file. Both lines stay.
func FillPage(file, begins, text string) error {
	const ends = "<!-- end -->\n"
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(old), begins+"\n")
	_, after, ok2 := strings.Cut(rest, ends)
	if !ok || !ok2 {
		return fmt.Errorf("cannot find the place of %q in %s", begins, file)
	}
	return os.WriteFile(file, []byte(before+begins+"\n"+text+ends+after), 0o644)
}
