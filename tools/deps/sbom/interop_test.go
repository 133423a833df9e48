//go:build interop

package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
)

// validate holds a file to the schema of its format, with the formats of strings that the schema names.
const validate = `
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
sys.exit(str(error) if error else 0)
`

// TestInteropSchema: what make sbom says of the built program is as CycloneDX's own schema has it.
func TestInteropSchema(t *testing.T) {
	python := interop.Python(t, "cyclonedx")
	root := filepath.Join("..", "..", "..")
	out, err := exec.Command("make", "--no-print-directory", "-C", root, "sbom").CombinedOutput()
	require.NoError(t, err, string(out))
	interop.Run(t, python, "-c", validate, filepath.Join(root, "sbom.cdx.json"))
}
