package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPageIsFresh also finds a module whose licence is not known or not allowed.
func TestPageIsFresh(t *testing.T) {
	root := filepath.Join("..", "..")
	old, err := os.ReadFile(filepath.Join(root, page))
	require.NoError(t, err)
	text, err := update(t.Context(), root, old)
	require.NoError(t, err)
	if !bytes.Equal(text, old) {
		t.Errorf("%s is not what the binary holds: make licences", page)
	}
}

// TestWheelsAreListed: the table of native libraries is kept by hand, and every wheel has to be in it.
func TestWheelsAreListed(t *testing.T) {
	list, err := os.ReadFile(filepath.Join("..", "..", "torch", "LIBTORCH"))
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join("..", "..", page))
	require.NoError(t, err)
	_, table, _ := strings.Cut(string(text), "## Native libraries")
	wheels := 0
	for line := range strings.Lines(string(list)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "wheel" {
			wheels++
			name, _, _ := strings.Cut(f[1], "-")
			if !strings.Contains(table, name) {
				t.Errorf("%s does not say under which licence the wheel %s is", page, name)
			}
		}
	}
	require.NotZero(t, wheels)
}

const (
	mit = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software, subject to the
		following conditions: The above copyright notice and this permission notice shall be included in all copies.`
	gpl  = "GNU GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007"
	mpl  = "Mozilla Public License Version 2.0. \"Incompatible With Secondary Licenses\". The GNU Affero General Public License, the GNU General Public License"
	bsd2 = "Redistribution and use in source and binary forms, with or without\nmodification, are permitted provided that the following conditions\nare met: " +
		"Redistributions in binary form must reproduce the above copyright notice"
)

func TestClassify(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		if got := classify([]byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: got %q; want %q", text[:min(30, len(text))], got, want)
		}
	}
	f(mit, "MIT")
	f(bsd2, "BSD-2-Clause")
	f(bsd2+". Neither the name of", "BSD-3-Clause")
	f(mit+gpl, "MIT", "GPL")
	f("under the GNU Lesser General\nPublic License", "LGPL")
	f(mpl, "MPL-2.0")
	f("all rights reserved")
	f("Permission is hereby granted to use this for good, not evil")
	f("subject to your choice of the FreeType License or the GNU General Public License", "GPL") // not the text that was read
}

func TestRead(t *testing.T) {
	f := func(files map[string]string, wantErr string, want ...string) {
		t.Helper()
		m := Module{Path: "example.test/m", Dir: t.TempDir()}
		for name, text := range files {
			require.NoError(t, os.WriteFile(filepath.Join(m.Dir, name), []byte(text), 0o644))
		}
		err := licensed([]Module{m})
		if wantErr != "" {
			require.ErrorContains(t, err, "module example.test/m")
			require.ErrorContains(t, err, wantErr)
			return
		}
		require.NoError(t, err)
		require.NoError(t, m.read())
		require.Equal(t, want, m.Licences)
	}
	f(map[string]string{"LICENSE": mit, "LICENSE-3RD": bsd2, "readme": gpl}, "", "BSD-2-Clause", "MIT")
	f(map[string]string{"LICENSE": mit, "COPYING": gpl}, "COPYING holds the licence GPL, which is not allowed")
	f(map[string]string{"LICENSE": "ask me"}, "is not known")
	f(map[string]string{"README": mit}, "has no licence file")
}
