package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/torchlit/torchlit/batching"
)

// versionsOf are ready versions of the colour model, from the oldest.
func versionsOf(names ...string) []Model {
	var out []Model
	for _, v := range names {
		m := colourModel("colours", v)
		m.Holds = NewHolds()
		out = append(out, m)
	}
	return out
}

// served asks for the default n times and returns how often each version answered. The ids are "0", "1", ….
func (h *harness) served(n int, header func(i int) (key, value string)) map[string]int {
	h.t.Helper()
	got := map[string]int{}
	for i := range n {
		l, err := h.acquire("colours", "", caller{id: fmt.Sprint(i)})
		if header != nil {
			l.release()
			var hd fasthttp.RequestHeader
			hd.Set(header(i))
			l, err = h.acquire("colours", "", caller{id: fmt.Sprint(i), headers: &hd})
		}
		if err != nil {
			h.t.Fatal(err)
		}
		got[l.Version]++
		l.release()
	}
	return got
}

func TestDefaultVersion(t *testing.T) {
	f := func(versions string, tr Traffic, want string) {
		t.Helper()
		h := open(t, Config{Models: versionsOf(strings.Fields(versions)...), Traffic: map[string]Traffic{"colours": tr}})
		if got := h.served(1, nil); got[want] != 1 {
			t.Errorf("of %s with %+v: %v answers; want %s", versions, tr, got, want)
		}
	}
	f("1 2 10", Traffic{}, "10")
	f("1 2", Traffic{Default: "1"}, "1")
	f("2 3", Traffic{Default: "1"}, "3") // the pinned one is not ready
	f("1 2", Traffic{Canary: &Share{"2", 0}}, "1")
	f("1 2", Traffic{Shadow: &Share{"2", 100}}, "1")
	f("1 2 3", Traffic{Canary: &Share{"3", 0}, Shadow: &Share{"2", 0}}, "1")
	f("2", Traffic{Canary: &Share{"2", 0}}, "2") // only the canary is left
	f("1", Traffic{Canary: &Share{"2", 100}}, "1")
}

func TestCanary(t *testing.T) {
	h := open(t, Config{Models: versionsOf("1", "2")})
	set := func(tr Traffic) {
		t.Helper()
		if err := h.SetTraffic("colours", tr); err != nil {
			t.Fatal(err)
		}
	}
	set(Traffic{Canary: &Share{"2", 5}})
	if got := h.served(10_000, nil); got["2"] < 400 || got["2"] > 600 {
		t.Errorf("5%% of 10000 are %d", got["2"])
	}
	// Who is the canary's at 5 % still is at 20 %, and the same id always goes the same way.
	var before []string
	for i := range 1000 {
		l, _ := h.acquire("colours", "", caller{id: fmt.Sprint(i)})
		before = append(before, l.Version)
		l.release()
	}
	set(Traffic{Canary: &Share{"2", 20}})
	for i, was := range before {
		if l, _ := h.acquire("colours", "", caller{id: fmt.Sprint(i)}); was == "2" && l.Version != "2" {
			t.Errorf("id %d was the canary's at 5%% and is not at 20%%", i)
		}
	}
	// By header: one user sees one version, whatever the request.
	set(Traffic{Canary: &Share{"2", 50}, Sticky: "header:X-User"})
	for _, user := range []string{"ann", "bob", "eve", "joe"} {
		if got := h.served(50, func(int) (string, string) { return "x-user", user }); len(got) != 1 {
			t.Errorf("%s sees %v", user, got)
		}
	}
	if got := h.served(1000, func(i int) (string, string) { return "X-User", fmt.Sprint("u", i) }); got["2"] < 400 || got["2"] > 600 {
		t.Errorf("50%% of 1000 users are %d", got["2"])
	}
	// A named version is what was named.
	if l, err := h.acquire("colours", "1", caller{id: "1"}); err != nil || l.Version != "1" || l.shadow != nil {
		t.Errorf("%v %v", l, err)
	}
	// The rules stay when the canary goes and comes back.
	if err := h.SetModels(versionsOf("1")); err != nil {
		t.Fatal(err)
	}
	if got := h.served(100, nil); got["1"] != 100 {
		t.Errorf("without the canary: %v", got)
	}
	if err := h.SetModels(versionsOf("1", "2")); err != nil {
		t.Fatal(err)
	}
	if got := h.served(1000, nil); got["2"] < 400 {
		t.Errorf("with the canary back: %v", got)
	}
}

// The shadow's disagreement is counted; its answers, errors and delays are nobody's but the metrics'.
func TestShadow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		models := versionsOf("1", "2")
		models[1].Labels = []string{"blue", "green", "red"} // in another order: labels are compared, not places
		var fail atomic.Bool
		models[1].Infer = func(ctx context.Context, pixels []byte, p batching.Priority) (batching.Result[[]float32], error) {
			time.Sleep(time.Second)
			if p != batching.Low {
				t.Error("the shadow is not asked at low priority")
			}
			if fail.Load() {
				return batching.Result[[]float32]{}, errors.New("broken")
			}
			s := colourShares(pixels)
			if s[2] > s[0] { // of blue it says green
				return batching.Result[[]float32]{Value: []float32{s[1], s[2], s[0]}, Run: time.Second}, nil
			}
			return batching.Result[[]float32]{Value: []float32{s[2], s[1], s[0]}, Run: time.Second}, nil
		}
		s, err := Open(Config{Models: models, MaxShadows: 3, Traffic: map[string]Traffic{"colours": {Shadow: &Share{"2", 100}}}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ask := func(data []byte) {
			t.Helper()
			start := time.Now()
			l, err := s.acquire("colours", "", caller{id: "x"})
			if err != nil {
				t.Fatal(err)
			}
			a := s.infer(t.Context(), "x", l, encoded, data, batching.Normal)
			l.release()
			if a.err != nil || l.Version != "1" || time.Since(start) > 0 {
				t.Fatalf("%+v from version %s after %s", a, l.Version, time.Since(start))
			}
		}
		reds, blues := pngOf(picture(8, 8, red)), pngOf(picture(8, 8, blue))
		ask(reds)
		ask(reds)
		ask(blues)
		ask(blues) // one too many at once
		time.Sleep(2 * time.Second)
		fail.Store(true)
		ask(reds)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		v := s.catalog.Load().routes["colours"].view().Shadows
		if v.Images != 3 || v.Disagreements != 1 || v.Dropped != 1 || v.Failed != 1 {
			t.Errorf("%+v; want 3 images, 1 disagreement, 1 dropped, 1 failed", v)
		}
		if v.MeanDifference < 0.33 || v.MeanDifference > 0.34 || v.MeanMillis != 1000 || v.MeanAnswered != 1 {
			t.Errorf("%+v; want a mean difference of 1/3 and means of 1000 and 1 ms", v)
		}
		// A shadow that is unloaded ends its work first.
		fail.Store(false)
		ask(reds)
		if err := s.SetModels(models[:1]); err != nil {
			t.Fatal(err)
		}
		select {
		case <-models[1].Holds.Released():
			t.Error("the shadow is free while it works")
		default:
		}
		time.Sleep(2 * time.Second)
		<-models[1].Holds.Released()
		ask(reds)
		if v := s.catalog.Load().routes["colours"].view(); v.Shadow.Ready || v.Shadows.Images != 4 {
			t.Errorf("%+v %+v", v.Shadow, v.Shadows)
		}
	})
}

// A shadow that prepares images in its own way gets the file, and tensors that it does not take are passed over.
func TestShadowOfAnotherSize(t *testing.T) {
	models := versionsOf("1", "2")
	models[1].Preprocess.Width, models[1].Preprocess.Height = 16, 4
	h := open(t, Config{Models: models, Traffic: map[string]Traffic{"colours": {Shadow: &Share{"2", 100}}}})
	if r := h.do("POST", "/v1/classify", "", pngOf(picture(40, 40, red))); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	l, _ := h.acquire("colours", "", caller{})
	if a := h.infer(t.Context(), "x", l, pixels, make([]byte, 8*8*3), batching.Normal); a.err != nil {
		t.Fatal(a.err)
	}
	l.release()
	for {
		if v := h.catalog.Load().routes["colours"].view().Shadows; v.Images == 1 && v.Dropped == 1 && v.Disagreements == 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	text := string(h.do("GET", "/metrics", "", nil).body)
	for _, line := range []string{
		`torchlit_shadow_images_total{model="colours",result="agreed",version="2"} 1`,
		`torchlit_shadow_dropped_total{model="colours",reason="input",version="2"} 1`,
		`torchlit_shadow_ratio{model="colours",version="2"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	h.cfg.Metrics.Forget("colours", "2")
	if text := string(h.do("GET", "/metrics", "", nil).body); strings.Contains(text, `version="2"`) {
		t.Error("series of a forgotten version are left")
	}
}

func TestTrafficRoutes(t *testing.T) {
	h := open(t, Config{Models: versionsOf("1", "2"), AdminKey: "sesame-sesame-sesame"})
	f := func(method, body string, wantStatus int, want string) {
		t.Helper()
		req, _ := http.NewRequest(method, "http://torchlit/v1/models/colours/traffic", strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer sesame-sesame-sesame")
		r, err := h.send(req)
		if err != nil {
			t.Fatal(err)
		}
		if r.status != wantStatus || !strings.Contains(string(r.body), want) || !json.Valid(r.body) {
			t.Errorf("%s %s: got %d %s; want %d and %s", method, body, r.status, r.body, wantStatus, want)
		}
	}
	f("GET", "", 200, `{"default":"2","pinned":false,"sticky":"request_id"}`)
	f("PUT", `{"canary": {"version": "2", "percent": 5}}`, 200, `{"default":"1","pinned":false,"canary":{"version":"2","percent":5,"ready":true},"sticky":"request_id"}`)
	f("PUT", `{"default": "2", "shadow": {"version": "7", "percent": 0.5}, "sticky": "header:X-User"}`, 200, `"shadow":{"version":"7","percent":0.5,"ready":false},"sticky":"header:X-User","shadow_results":{`)
	f("GET", "", 200, `"pinned":true`)
	for _, bad := range []string{``, `7`, `{"canary": 7}`, `{} {}`, `{"canaries": {}}`} {
		f("PUT", bad, 400, "bad_json")
	}
	for _, bad := range []string{`{"canary": {"version": "2", "percent": 101}}`, `{"canary": {"version": "2", "percent": -1}}`, `{"canary": {"percent": 1}}`, `{"default": "2", "shadow": {"version": "2"}}`, `{"sticky": "header:"}`, `{"sticky": "cookie"}`} {
		f("PUT", bad, 400, "bad_traffic")
	}
	f("DELETE", "", 200, `{"default":"2","pinned":false,"sticky":"request_id"}`)
	if r := h.do("PUT", "/v1/models/colours/traffic", "", []byte("{}")); r.status != 401 || r.header.Get("Www-Authenticate") == "" {
		t.Errorf("without the key: %d %s", r.status, r.body)
	}
	if r := h.do("GET", "/v1/models/nope/traffic", "", nil); r.status != 404 {
		t.Errorf("of no model: %d %s", r.status, r.body)
	}
}

// Without a key, admin routes answer this machine's own programs, and nobody who may speak for others.
func TestAdminWithoutAKey(t *testing.T) {
	s, err := Open(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f := func(remote, host, header, value string, want bool) {
		t.Helper()
		addr, err := net.ResolveTCPAddr("tcp", remote)
		if err != nil {
			t.Fatal(err)
		}
		var ctx fasthttp.RequestCtx
		var req fasthttp.Request
		req.SetRequestURI("http://" + host + "/v2/repository/models/m/unload")
		req.Header.SetHost(host)
		if header != "" {
			req.Header.Set(header, value)
		}
		ctx.Init(&req, addr, nil)
		if got := s.authorizeAdmin(&ctx) == nil; got != want {
			t.Errorf("from %s for %s with %s %q: %v; want %v", remote, host, header, value, got, want)
		}
	}
	f("127.0.0.1:5", "localhost:8080", "", "", true)
	f("[::1]:5", "[::1]:8080", "", "", true)
	f("127.0.0.1:5", "127.0.0.1", "Origin", "http://127.0.0.1", true)
	f("10.0.0.7:5", "localhost:8080", "", "", false)
	f("127.0.0.1:5", "evil.example:8080", "", "", false) // a rebound name
	f("127.0.0.1:5", "localhost:8080", "Origin", "http://evil.example", false)
	f("127.0.0.1:5", "localhost:8080", "Origin", "null", false)
	f("127.0.0.1:5", "localhost:8080", "X-Forwarded-For", "10.0.0.7", false)
	f("127.0.0.1:5", "localhost:8080", "Forwarded", "for=10.0.0.7", false)
}
