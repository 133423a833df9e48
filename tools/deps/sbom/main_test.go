package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/tools/deps/internal/manifest"
)

// modules is what cyclonedx-gomod writes, shortened.
const modules = `{
  "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": "urn:uuid:c2ff9fcb-e772-4a30-b9d2-bef7797e2c6c", "version": 1,
  "metadata": {"component": {"bom-ref": "app", "type": "application", "name": "github.com/torchlit/torchlit", "version": "v1"}},
  "components": [{"bom-ref": "x", "type": "library", "name": "golang.org/x/sync", "version": "v0.24.0"}],
  "dependencies": [{"ref": "app", "dependsOn": ["x"]}, {"ref": "x"}]
}`

var list = filepath.Join("..", "..", "..", "torch", "LIBTORCH")

func TestRun(t *testing.T) {
	m, err := manifest.Load(list)
	require.NoError(t, err)
	f := func(platform string, flavour manifest.Flavour) {
		t.Helper()
		var out bytes.Buffer
		require.NoError(t, run(strings.NewReader(modules), &out, list, platform, flavour, ""))
		require.Contains(t, out.String(), `"specVersion": "1.6"`)
		var bom cdx.BOM
		require.NoError(t, cdx.NewBOMDecoder(&out, cdx.BOMFileFormatJSON).Decode(&bom))

		p, err := m.Platform(platform)
		require.NoError(t, err)
		wheels, err := p.Select(flavour)
		require.NoError(t, err)
		components := *bom.Components
		require.Len(t, components, 1+len(wheels))
		require.Equal(t, "golang.org/x/sync", components[0].Name)
		refs := map[string]bool{"app": true}
		for i, c := range components {
			require.False(t, refs[c.BOMRef], "two have the reference %s", c.BOMRef)
			refs[c.BOMRef] = true
			if i > 0 {
				require.Equal(t, wheels[i-1].SHA256, (*c.Hashes)[0].Value)
				require.Regexp(t, regexp.MustCompile(`^pkg:pypi/[a-z0-9-]+@[0-9.]+\?file_name=`+regexp.QuoteMeta(wheels[i-1].File)+`$`), c.PackageURL)
			}
		}
		for _, d := range *bom.Dependencies {
			require.True(t, refs[d.Ref], "%s is not listed", d.Ref)
			if d.Ref == "app" {
				require.Len(t, *d.Dependencies, 1+len(wheels))
			}
		}
		require.Len(t, *bom.Dependencies, 2+len(wheels))
		require.Equal(t, "torch", components[1].Name)
		require.Equal(t, m.Version, components[1].Version)
	}
	f("linux/amd64", manifest.CPU)
	f("linux/amd64", manifest.CUDA)
	f("linux/arm64", manifest.CUDA)
	f("darwin/arm64", manifest.CPU)
}

// With the records of an image's packages these are in the list as well.
func TestPackages(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	write("libturbojpeg0", "Package: libturbojpeg0\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2.1.5-2\nDescription: TurboJPEG\n more of it\n .\n and more\n")
	write("libc6", "Package: libc6\nArchitecture: amd64\nVersion: 2.36-9+deb12u14\n\n")
	var out bytes.Buffer
	require.NoError(t, run(strings.NewReader(modules), &out, list, "linux/amd64", manifest.CPU, dir))
	distribution, err := osRelease("/etc/os-release")
	require.NoError(t, err)
	require.Contains(t, out.String(), `"pkg:deb/`+distribution+`/libturbojpeg0@1:2.1.5-2?arch=amd64"`)
	require.Contains(t, out.String(), `/libc6@2.36-9+deb12u14?arch=amd64"`)
	write("broken", "Package: broken\n")
	require.ErrorContains(t, run(strings.NewReader(modules), &out, list, "linux/amd64", manifest.CPU, dir), "lacks")
	require.ErrorContains(t, run(strings.NewReader(modules), &out, list, "linux/amd64", manifest.CPU, t.TempDir()), "no record")
}

func TestRunRefuses(t *testing.T) {
	f := func(in, platform string, flavour manifest.Flavour, want string) {
		t.Helper()
		var out bytes.Buffer
		require.ErrorContains(t, run(strings.NewReader(in), &out, list, platform, flavour, ""), want)
		require.Zero(t, out.Len())
	}
	f("", "linux/amd64", manifest.CPU, "cannot read the list of modules")
	f(`{"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}`, "linux/amd64", manifest.CPU, "metadata.component")
	f(modules, "plan9/386", manifest.CPU, "plan9/386")
	f(modules, "darwin/arm64", manifest.CUDA, "no CUDA libraries")
}
