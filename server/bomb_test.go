package server

import (
	"bytes"
	"encoding/base64"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestPackedBombs: compressed bodies that become much more share what all bodies may take. Whoever finds no room is told so, and all of it is given
// back.
func TestPackedBombs(t *testing.T) {
	const most, all = 8 << 20, 20 << 20
	h := open(t, Config{MaxBodyBytes: most, BodyMemory: all})
	bomb := packed("gzip", make([]byte, most))
	if len(bomb) > most/900 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	done := make(chan struct{})
	var watched, wg sync.WaitGroup
	highest := int64(0)
	watched.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(100 * time.Microsecond):
				highest = max(highest, h.bodies.used.Load())
			}
		}
	})
	for range 8 {
		wg.Go(func() {
			for range 4 {
				r := h.ask("POST", "/v2/models/colours/infer", bomb, "Content-Encoding", "gzip")
				if r.status == 503 {
					wantCode(t, r, 503, "no_memory")
					continue
				}
				wantCode(t, r, 400, "bad_json") // it is zeros
			}
		})
	}
	wg.Wait()
	close(done)
	watched.Wait()
	if highest > all || highest < most {
		t.Errorf("bodies held %d bytes; one is %d, and all may hold %d", highest, most, all)
	}
	if used := h.bodies.used.Load(); used != 0 {
		t.Errorf("%d bytes are held for ever", used)
	}
}

// TestJSONOfManyValues: a body of nothing but small values is refused before a parser makes a hundred bytes of each two.
func TestJSONOfManyValues(t *testing.T) {
	h := open(t, Config{})
	f := func(body string, status int, code string) {
		t.Helper()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := h.do("POST", "/v1/classify", "application/json", []byte(body))
		runtime.ReadMemStats(&after)
		wantCode(t, r, status, code)
		if took := after.TotalAlloc - before.TotalAlloc; took > uint64(8*len(body)) {
			t.Errorf("%.20s… of %d bytes took %d", body, len(body), took)
		}
	}
	f(`{"images":[`+strings.Repeat("0,", 2<<20)+`0]}`, 400, "bad_json")
	f(`{"images":`+strings.Repeat("[", 2<<20), 400, "bad_json")
	f(strings.Repeat("{", 2<<20), 400, "bad_json")
	text := base64.StdEncoding.EncodeToString(append(bytes.Clone(redPNG), make([]byte, 2<<20)...))
	if r := h.do("POST", "/v1/classify", "application/json", []byte(`{"tags":[`+strings.Repeat("0,", 5000)+`0],"image":"`+text+`"}`)); r.status != 200 {
		t.Errorf("got %d %.100s", r.status, r.body)
	}
}
