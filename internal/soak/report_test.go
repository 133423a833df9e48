package soak

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReport(t *testing.T) {
	samples := sway(60, 0, 1)
	trend, err := Fit(samples[20:], RSS)
	require.NoError(t, err)
	r := Report{Title: "A soak", Facts: [][2]string{{"seed", "1"}}, Samples: samples, Warm: 20, Trends: map[Series]Trend{RSS: trend},
		Bounds: map[Series]float64{RSS: 16}, Counts: []Count{{"raw", 17, 1, "200: 17"}}, Failures: []string{"<b>1 wrong"}}
	dir := filepath.Join(t.TempDir(), "report")
	require.NoError(t, r.Write(dir))

	page, err := os.ReadFile(filepath.Join(dir, "index.html"))
	require.NoError(t, err)
	for _, want := range []string{trend.String(), "bound 16", "&lt;b&gt;1 wrong", "<td>raw<td>17<td>1<td>200: 17"} {
		assert.Contains(t, strings.ReplaceAll(string(page), "&#43;", "+"), want)
	}
	f, err := os.Open(filepath.Join(dir, "samples.csv"))
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 61)
	assert.Equal(t, []string{"seconds", "requests", "warm_up", "rss"}, rows[0][:4])
	assert.Equal(t, "true", rows[20][2])
	assert.Equal(t, "false", rows[21][2])
	assert.Error(t, r.Write(filepath.Join(dir, "index.html", "nothing is below a file")))
}
