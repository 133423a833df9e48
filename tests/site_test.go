package tests

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestSiteHasAllPages: every page of docs/source is in the site's navigation, and the first pages are where somebody who looks into docs on
// GitHub finds them. mkdocs says so too, but not before somebody builds the site.
func TestSiteHasAllPages(t *testing.T) {
	var listed []string
	pages, front := []string{}, ""
	for _, f := range textFiles(t) {
		switch {
		case f.name == "docs/mkdocs.yml":
			var site struct {
				Nav yaml.Node `yaml:"nav"`
			}
			if err := yaml.Unmarshal([]byte(f.text), &site); err != nil {
				t.Fatal(err)
			}
			leavesOf(&site.Nav, func(page string) { listed = append(listed, page) })
		case f.name == "docs/index.md":
			front = f.text
		case within(f.name, "docs/source") && path.Ext(f.name) == ".md":
			pages = append(pages, strings.TrimPrefix(f.name, "docs/source/"))
		}
	}
	for _, p := range pages {
		if !slices.Contains(listed, p) {
			t.Errorf("docs/source/%s is not in the nav of docs/mkdocs.yml: nobody will find it", p)
		}
	}
	for _, p := range listed {
		if !slices.Contains(pages, p) {
			t.Errorf("the nav of docs/mkdocs.yml has %s, which is not in docs/source", p)
		}
	}
	for _, m := range regexp.MustCompile(`\]\(source/([^)]+\.md)\)`).FindAllStringSubmatch(front, -1) {
		if !slices.Contains(pages, m[1]) {
			t.Errorf("docs/index.md leads to docs/source/%s, which is not there", m[1])
		}
	}
	for _, p := range listed {
		if strings.HasPrefix(p, "start-") && !strings.Contains(front, "(source/"+p+")") {
			t.Errorf("docs/index.md does not lead to docs/source/%s", p)
		}
	}
	if len(pages) < 40 || len(listed) < 40 {
		t.Errorf("only %d pages and %d entries were found: this test looks in the wrong place", len(pages), len(listed))
	}
}

// leavesOf calls f with the last value of each entry of a nav: a page with or without a title of its own.
func leavesOf(n *yaml.Node, f func(string)) {
	switch n.Kind {
	case yaml.ScalarNode:
		f(n.Value)
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			leavesOf(n.Content[i], f)
		}
	default:
		for _, c := range n.Content {
			leavesOf(c, f)
		}
	}
}
