package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ensurePython returns an interpreter with what the file requires, and makes its environment if it is missing. Environments are named
// as package internal/interop names them, so the tests and this program share them.
func ensurePython(ctx context.Context, venvs, requirements string) (string, error) {
	wanted, err := readRequirements(requirements)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(strings.Join(wanted, "\n")))
	dir, err := filepath.Abs(filepath.Join(venvs, hex.EncodeToString(sum[:6])))
	if err != nil {
		return "", fmt.Errorf("cannot make a Python environment: %w", err)
	}
	python, done := filepath.Join(dir, "bin", "python"), filepath.Join(dir, "installed")
	if _, err := os.Stat(done); err == nil {
		return python, nil
	}
	fmt.Fprintf(os.Stderr, "peers: installing %s (some GB, once)\n", strings.Join(wanted, " "))
	for _, args := range [][]string{
		{"python3", "-m", "venv", "--clear", dir},
		append([]string{python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"}, wanted...),
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("cannot make a Python environment: %s: %w\n%s", args[0], err, out)
		}
	}
	if err := os.WriteFile(done, []byte(strings.Join(wanted, "\n")+"\n"), 0o644); err != nil {
		return "", fmt.Errorf("cannot make a Python environment: %w", err)
	}
	return python, nil
}

func readRequirements(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the requirements: %w", err)
	}
	wanted := strings.Fields(string(b))
	if len(wanted) == 0 {
		return nil, errors.New("cannot read the requirements: there are none")
	}
	return wanted, nil
}
