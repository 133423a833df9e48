package main

import (
	"bytes"
	"encoding/json"
	"image/png"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/client"
	"github.com/torchlit/torchlit/server"
)

// TestKeptPictures: a server that keeps pictures shows them on its own machine, with what became of their labels.
func TestKeptPictures(t *testing.T) {
	settings := defaultServeSettings()
	settings.Monitor, settings.MonitorPictures, settings.MonitorDir = true, 1, filepath.Join(t.TempDir(), "log")
	require.NoError(t, settings.validate())
	url, stop := observedServer(t, settings)
	defer stop()
	c, err := client.New(url)
	require.NoError(t, err)
	classifyAt(t, url)
	_, err = c.Classify(t.Context(), photo(t, 2, 2, 1), client.RequestID("mine"))
	require.NoError(t, err)
	_, err = c.Feedback(t.Context(), "m", client.Label{RequestID: "mine", Name: "b"}) // when it is answered both are on the disk
	require.NoError(t, err)

	get := func(query string) (shown struct{ Pictures []server.LoggedPicture }) {
		resp, err := http.Get(url + "/v1/models/m/predictions/pictures" + query)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode, string(body))
		require.NoError(t, json.Unmarshal(body, &shown))
		return shown
	}
	all := get("").Pictures
	require.Len(t, all, 2)
	require.Equal(t, "mine", all[0].RequestID)
	require.Equal(t, "a", all[0].Label)
	require.Equal(t, "b", *all[0].Truth)
	require.Nil(t, all[1].Truth)
	require.Nil(t, all[0].OOD, "nothing watches the version")
	require.InDelta(t, 1, all[0].Probability, 1e-6)
	require.WithinDuration(t, time.Now(), all[0].Time, time.Minute)
	_, err = png.Decode(bytes.NewReader(all[0].PNG))
	require.NoError(t, err)
	require.Len(t, get("?n=1").Pictures, 1)
	require.Empty(t, get("?version=2").Pictures)
}
