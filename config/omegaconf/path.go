package omegaconf

import (
	"regexp"
	"strings"
)

var (
	pathHead = regexp.MustCompile(`^\.*[^.\[]*`)
	pathRest = regexp.MustCompile(`\.([^.\[]*)|\[([^\n]*?)\]`)
)

// splitPath splits "a.b", "a[b]" and the like into their keys.
func splitPath(path string) []string {
	head := pathHead.FindString(path)
	parts := strings.Split(head, ".")
	if len(head) == len(path) {
		return parts
	}
	if path[len(head)] == '[' && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	for _, m := range pathRest.FindAllStringSubmatch(path[len(head):], -1) {
		if m[1] != "" {
			parts = append(parts, m[1])
		} else {
			parts = append(parts, m[2])
		}
	}
	return parts
}
