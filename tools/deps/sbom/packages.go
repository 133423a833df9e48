package main

import (
	"bufio"
	"fmt"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// packages reads what dpkg says of each package in a folder of its records, one a file, as images without a package manager have them, and describes them. The
// distribution is that of /etc/os-release, from whose packages the folder was made.
func packages(dir string) ([]cdx.Component, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("cannot list the packages: no record is in %q", dir)
	}
	distribution, err := osRelease("/etc/os-release")
	if err != nil {
		return nil, err
	}
	var all []cdx.Component
	for _, file := range files {
		c, err := debian(file, distribution)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// debian describes the package of a record (deb-control(5)) by the package URL type deb.
func debian(file, distribution string) (cdx.Component, error) {
	f, err := os.Open(file)
	if err != nil {
		return cdx.Component{}, fmt.Errorf("cannot read a package's record: %w", err)
	}
	defer f.Close()
	fields, _ := textproto.NewReader(bufio.NewReader(f)).ReadMIMEHeader() // what comes at its end is no field, and no matter
	name, version, arch := fields.Get("Package"), fields.Get("Version"), fields.Get("Architecture")
	if name == "" || version == "" || arch == "" {
		return cdx.Component{}, fmt.Errorf("cannot read a package's record %q: it lacks Package, Version or Architecture", file)
	}
	purl := fmt.Sprintf("pkg:deb/%s/%s@%s?arch=%s", distribution, name, url.PathEscape(version), arch)
	return cdx.Component{
		BOMRef: purl, PackageURL: purl, Type: cdx.ComponentTypeLibrary, Name: name, Version: version, Scope: cdx.ScopeRequired,
	}, nil
}

// osRelease is the ID in an os-release(5) file.
func osRelease(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("cannot find out the distribution: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "ID="); ok {
			return strings.Trim(id, `"'`), nil
		}
	}
	return "", fmt.Errorf("cannot find out the distribution: %q has no ID", file)
}
