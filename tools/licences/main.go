// Command licences writes the licences of everything that ends in the binary to
// docs/source/licences.md, between its two marks, and fails when one of them is not known or not
// allowed. It runs at the root of the repository.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	page   = "docs/source/licences.md"
	binary = "./cmd/torchlit"

	begin = "<!-- modules: written by make licences -->\n"
	end   = "<!-- end of modules -->\n"
)

func main() {
	if err := run(context.Background(), "."); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root string) error {
	name := filepath.Join(root, page)
	old, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("cannot read the page: %w", err)
	}
	text, err := update(ctx, root, old)
	if err != nil || bytes.Equal(text, old) {
		return err
	}
	return os.WriteFile(name, text, 0o644)
}

// update returns the page with the table of the modules as they are.
func update(ctx context.Context, root string, old []byte) ([]byte, error) {
	head, rest, ok := strings.Cut(string(old), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return nil, errors.New(page + " lacks the lines between which the table of modules stands")
	}
	all, err := modules(ctx, root, binary)
	if err != nil {
		return nil, err
	}
	if err := licensed(all); err != nil {
		return nil, err
	}
	return []byte(head + begin + table(all) + end + tail), nil
}

func table(all []Module) string {
	var b strings.Builder
	b.WriteString("\n| Module | Version | Licence |\n|---|---|---|\n")
	for _, m := range all {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", m.Path, m.Version, strings.Join(m.Licences, ", "))
	}
	b.WriteString("\n")
	return b.String()
}
