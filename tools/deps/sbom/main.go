// Command sbom adds the native libraries of torch/LIBTORCH, and with -packages those of an image, to a list of the Go modules of
// a binary (CycloneDX, JSON), which it reads from its standard input:
//
//	cyclonedx-gomod bin -json -version v1 bin/torchlit | go run ./tools/deps/sbom > sbom.cdx.json
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"github.com/torchlit/torchlit/tools/deps/internal/manifest"
)

func main() {
	platform := flag.String("platform", runtime.GOOS+"/"+runtime.GOARCH, "GOOS/GOARCH of the binary")
	cuda := flag.Bool("cuda", false, "the binary comes with the CUDA libraries")
	list := flag.String("list", "torch/LIBTORCH", "list of native libraries")
	dpkg := flag.String("packages", "", "folder of dpkg's records of packages that are in it, too")
	flag.Parse()
	flavour := manifest.CPU
	if *cuda {
		flavour = manifest.CUDA
	}
	if err := run(os.Stdin, os.Stdout, *list, *platform, flavour, *dpkg); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer, list, platform string, flavour manifest.Flavour, dpkg string) error {
	bom := new(cdx.BOM)
	if err := cdx.NewBOMDecoder(in, cdx.BOMFileFormatJSON).Decode(bom); err != nil {
		return fmt.Errorf("cannot read the list of modules: %w", err)
	}
	m, err := manifest.Load(list)
	if err != nil {
		return err
	}
	p, err := m.Platform(platform)
	if err != nil {
		return err
	}
	wheels, err := p.Select(flavour)
	if err != nil {
		return err
	}
	var components []cdx.Component
	for _, w := range wheels {
		c, err := component(w)
		if err != nil {
			return err
		}
		components = append(components, c)
	}
	if dpkg != "" {
		debs, err := packages(dpkg)
		if err != nil {
			return err
		}
		components = append(components, debs...)
	}
	if err := add(bom, components); err != nil {
		return err
	}
	// The encoder would write the newest version of the format; the tools that read it are not all there yet.
	return cdx.NewBOMEncoder(out, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6)
}

// add puts components beside the modules, and makes the program depend on them.
func add(bom *cdx.BOM, components []cdx.Component) error {
	if bom.Metadata == nil || bom.Metadata.Component == nil || bom.Metadata.Component.BOMRef == "" {
		return errors.New("the list of modules does not say what it is a list of: it has no metadata.component with a bom-ref")
	}
	var refs []string
	for _, c := range components {
		refs = append(refs, c.BOMRef)
	}
	if bom.Components != nil {
		components = append(*bom.Components, components...)
	}
	bom.Components = &components
	depend(bom, bom.Metadata.Component.BOMRef, refs)
	return nil
}

// component describes a wheel by its name, version and the hash that a download is held to.
func component(w manifest.Wheel) (cdx.Component, error) {
	tags, err := w.Tags()
	if err != nil {
		return cdx.Component{}, err
	}
	name := strings.ReplaceAll(tags.Name, "_", "-") // as package URLs and pip write it
	purl := fmt.Sprintf("pkg:pypi/%s@%s?file_name=%s", name, tags.Version, w.File)
	return cdx.Component{
		BOMRef: purl, PackageURL: purl, Type: cdx.ComponentTypeLibrary, Name: name, Version: tags.Version, Scope: cdx.ScopeRequired,
		Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: w.SHA256}},
	}, nil
}

func depend(bom *cdx.BOM, on string, refs []string) {
	var all []cdx.Dependency
	if bom.Dependencies != nil {
		all = *bom.Dependencies
	}
	at := -1
	for i := range all {
		if all[i].Ref == on {
			at = i
		}
	}
	if at < 0 {
		all, at = append(all, cdx.Dependency{Ref: on}), len(all)
	}
	var have []string
	if all[at].Dependencies != nil {
		have = *all[at].Dependencies
	}
	have = append(have, refs...)
	all[at].Dependencies = &have
	for _, r := range refs {
		all = append(all, cdx.Dependency{Ref: r})
	}
	bom.Dependencies = &all
}
