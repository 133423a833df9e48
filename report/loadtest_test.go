package report

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func loadTestOfAnHour() LoadTest {
	return LoadTest{
		Server: "http://host:8080 (torchlit)", Sent: "v1, <b>photos</b>", Load: "300 requests/s", Created: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC),
		Open: true, Rate: 300, Requests: 245.6, Images: 491.2, Goodput: 200, InTime: 0.88, Deadline: 60, Refused: 0.0579, Failed: 0.01, P50: 9.29, P99: 302, Lag: 0.0712,
		Rows:  []LoadRow{{"latency", 1000, 33, 9.29, 74.1, 302, 443, 469}},
		Curve: []LoadShare{{0, 7}, {0.5, 9.29}, {0.9, 74}, {0.99, 302}, {1, 469}},
		Timeline: []LoadMoment{{At: 0, Width: 1, Answered: 250, Refused: 20, P50: 9, P99: 20, Max: 30}, {At: 1, Width: 1},
			{At: 2, Width: 0.5, Answered: 240, Failed: 3, P50: 9, P99: 250, Max: 469}},
		Facts:   []Facts{{"Client", []Fact{{"processors", "2"}}}},
		Command: []string{"torchlit", "bench", "--header", "a b"},
	}
}

func TestLoadTestPage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "load.html")
	require.NoError(t, WriteLoadTest(file, loadTestOfAnHour()))
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	page := string(data)
	for _, says := range []string{"How it bears 300 requests a second", "<dd>9.29 ms</dd>", "<dd>88.00 %</dd>", "<dd>5.79 %</dd>", "sent 0.071\u00a0ms late",
		"&lt;b&gt;photos", "torchlit bench --header &#39;a b&#39;", "<td>469</td>", "of what was not refused, within 60\u00a0ms: 200 a second"} {
		assert.Contains(t, page, says)
	}
	assert.Equal(t, 3, strings.Count(page, `<svg class="figure"`))
	assert.NotRegexp(t, regexp.MustCompile(`(?:src|href)="(?:https?:)?//`), page, "the page loads something")
	assert.NotContains(t, page, "The search")
	wellFormed(t, page)
}

// wellFormed reads the page's figures as XML.
func wellFormed(t *testing.T, page string) {
	t.Helper()
	for _, svg := range regexp.MustCompile(`(?s)<svg class="figure".*?</svg>`).FindAllString(page, -1) {
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			_, err := d.Token()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
		}
		assert.NotContains(t, svg, "NaN")
	}
}

func TestLoadTestFindings(t *testing.T) {
	f := func(headline, finding string, change func(*LoadTest)) {
		t.Helper()
		l := loadTestOfAnHour()
		change(&l)
		page, err := l.render()
		require.NoError(t, err)
		assert.Contains(t, string(page), "<h1>"+headline+"</h1>")
		assert.Contains(t, strings.ReplaceAll(string(page), "\u00a0", " "), finding)
		wellFormed(t, string(page))
	}
	kept, broken, dead := LoadStep{Rate: 10, P99: 40, Kept: true}, LoadStep{Rate: 20, P99: 9000, Why: "p99 9000 ms"}, LoadStep{Rate: 40, Unserved: 1, Why: "nothing was answered"}
	f("246 requests a second", "Each client waited for its answer", func(l *LoadTest) { l.Open = false })
	f("How it bears 300 requests a second", "The client was the limit: it was slow.", func(l *LoadTest) { l.Limit = "it was slow" })
	f("10.0 requests a second within 50 ms", "of the highest rate that kept the bound", func(l *LoadTest) {
		l.Search = &LoadSearch{Bound: 50, Rate: 10, Steps: []LoadStep{kept, broken, dead}}
	})
	f("At least 10.0 requests a second within 50 ms", "the server may do more", func(l *LoadTest) {
		l.Search = &LoadSearch{Bound: 50, Rate: 10, ClientLimited: true, Steps: []LoadStep{kept}}
	})
	f("No rate keeps a p99 of 50 ms", "Every rate that was tried breaks the bound", func(l *LoadTest) {
		l.Search = &LoadSearch{Bound: 50, Steps: []LoadStep{broken}}
	})
	f("No rate keeps a p99 of 0.5 ms", "One client alone waits for more than 0.5 ms", func(l *LoadTest) { l.Search = &LoadSearch{Bound: 0.5} })
	f("How it bears 300 requests a second", "0 %", func(l *LoadTest) { // nothing was answered
		*l = LoadTest{Open: true, Rate: 300, Timeline: []LoadMoment{{Width: 1}, {At: 1, Width: 1}}}
	})
}
