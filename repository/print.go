package repository

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// print is a folder's content as far as one sees without reading it. Equal prints mean that nothing was written in
// between, for every way of writing that leaves a trace in a size, a time or an inode.
type print string

// printOf looks at the files right inside of dir, hidden ones aside. Links are followed, in the path of dir too: a
// link that is turned to another folder changes the print.
func printOf(dir string) (print, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	entries, err := os.ReadDir(real)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(real)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		info, err := os.Stat(filepath.Join(real, e.Name()))
		if err != nil {
			return "", err
		}
		if !info.Mode().IsRegular() {
			continue
		}
		fmt.Fprintf(&b, "\n%q %d %d %d", e.Name(), info.Size(), info.ModTime().UnixNano(), inode(info))
	}
	return print(b.String()), nil
}
