package main

import (
	"io/fs"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/detector"
	"github.com/torchlit/torchlit/server/openapi"
	"github.com/torchlit/torchlit/web"
)

// TestDriftHasWords: the dashboard has words for every test and every property of images, and the API's description names them.
func TestDriftHasWords(t *testing.T) {
	page, err := fs.ReadFile(web.Static, "driftwords.js")
	require.NoError(t, err)
	for _, name := range append(detector.Names[:len(detector.Names):len(detector.Names)], monitor.PropertyNames[:]...) {
		assert.Contains(t, string(page), "\n  "+name+": ")
		assert.Contains(t, string(openapi.JSON()), `"`+name+`"`)
	}
}
