package main

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
)

// phrases identify a licence (by its SPDX name) by sentences that all of its copies hold and no other licence does.
// Spaces and letter case are evened out, the rest is compared as it stands: what was edited is not recognized.
var phrases = []struct {
	name    string
	has     []string
	without string // a sentence that makes it another licence
}{
	{"MIT", []string{"permission is hereby granted, free of charge, to any person obtaining a copy",
		`the above copyright notice and this permission notice shall be included in`}, ""},
	{"BSD-3-Clause", []string{bsd, "binary form must reproduce the above copyright notice", "neither the name"}, ""},
	{"BSD-2-Clause", []string{bsd, "binary form must reproduce the above copyright notice"}, "neither the name"},
	{"Apache-2.0", []string{"apache license version 2.0, january 2004", "terms and conditions for use, reproduction, and distribution"}, ""},
	{"Apache-2.0", []string{`licensed under the apache license, version 2.0 (the "license")`}, ""},
	{"ISC", []string{"permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted"}, ""},
	{"MPL-2.0", []string{"mozilla public license", secondary}, ""},
	{"Zlib", []string{"this software is provided 'as-is', without any express or implied warranty", "altered source versions must be plainly marked"}, ""},
	{"Unlicense", []string{"this is free and unencumbered software released into the public domain"}, ""},
	{"CC-BY-4.0", []string{"creative commons attribution 4.0 international public license by exercising the licensed rights"}, ""},
	{"OFL-1.1", []string{"sil open font license version 1.1 - 26 february 2007"}, ""},
	{"SQLite (public domain)", []string{"all of the code and documentation in sqlite has been dedicated to the public domain"}, ""},
	{"GPL", []string{"gnu general public license"}, secondary}, // the MPL names them as a secondary licence
	{"LGPL", []string{"gnu lesser general public license"}, secondary},
	{"LGPL", []string{"gnu library general public license"}, ""},
	{"AGPL", []string{"gnu affero general public license"}, secondary},
	{"SSPL", []string{"server side public license"}, ""},
}

const (
	secondary = "incompatible with secondary licenses" // of the MPL
	bsd       = "redistribution and use in source and binary forms, with or without modification, are permitted provided that the following conditions are met"
)

// allowed licences ask for no more than that notices are kept, or (MPL) that changes to their own files are published.
var allowed = []string{"MIT", "BSD-3-Clause", "BSD-2-Clause", "Apache-2.0", "ISC", "MPL-2.0", "Zlib", "Unlicense",
	"CC-BY-4.0", "OFL-1.1", "SQLite (public domain)", "FTL"}

// reviewed files were read by a person: the phrases do not do them justice. The
// SHA-256 of the text is the key, so that a changed text has to be read again.
var reviewed = map[string]struct{ licence, why string }{
	"d3ba056adc2b7909e95681deaae397fb37c97ed491a920f491214f07b62c41d0": {"FTL", "github.com/golang/freetype: the FreeType License or the GPL, as one chooses; the first is chosen"},
}

// notLicences are files whose names only look like it.
var notLicences = regexp.MustCompile(`(?i)^LICENSE-(link|logo)`)

var (
	spaces = regexp.MustCompile(`\s+`)
	quotes = strings.NewReplacer("“", `"`, "”", `"`, "‘", "'", "’", "'", "`", "'")
)

// classify returns the licences that a text holds, none if it knows none of them.
func classify(text []byte) []string {
	sum := sha256.Sum256(text)
	if r, ok := reviewed[hex.EncodeToString(sum[:])]; ok {
		return []string{r.licence}
	}
	plain := spaces.ReplaceAllString(quotes.Replace(strings.ToLower(string(text))), " ")
	var found []string
	for _, p := range phrases {
		absent := func(s string) bool { return !strings.Contains(plain, s) }
		if slices.ContainsFunc(p.has, absent) || p.without != "" && !absent(p.without) || slices.Contains(found, p.name) {
			continue
		}
		found = append(found, p.name)
	}
	return found
}
