// Package web holds the page that the server shows at /: plain HTML, CSS and JavaScript, embedded as they are, without a
// build step and without anything fetched from elsewhere.
package web

import (
	"embed"
	"io/fs"
)

//go:embed static
var files embed.FS

// Static holds index.html, the page, and the files it loads from /static/.
var Static = func() fs.FS {
	sub, err := fs.Sub(files, "static")
	if err != nil {
		panic("BUG: the page is not embedded: " + err.Error())
	}
	return sub
}()
