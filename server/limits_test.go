package server

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// listenLocal is a listener on a free port of this machine.
func listenLocal(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// dialTo connects to s until the test ends.
func dialTo(t testing.TB, s *Server) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(time.Minute))
	return nc
}

// replyOn reads a reply of nc.
func replyOn(t testing.TB, nc net.Conn) reply {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, b}
}

func wantCode(t testing.TB, r reply, status int, code string) {
	t.Helper()
	if r.status != status || r.answer(t).Code != code {
		t.Errorf("got %d %s; want %d %s", r.status, r.body, status, code)
	}
}

// metric is the line of /metrics that begins with name, without it.
func (s *Server) metric(t testing.TB, name string) string {
	t.Helper()
	nc := dialTo(t, s)
	fmt.Fprintf(nc, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	for line := range strings.Lines(string(replyOn(t, nc).body)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (s *Server) wantMetric(t testing.TB, name, value string) {
	t.Helper()
	for range 100 {
		if s.metric(t, name) == value {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s is %q; want %q", name, s.metric(t, name), value)
}

func rejected(reason string) string {
	return `torchlit_rejected_total{model="",reason="` + reason + `",version=""}`
}

// begin begins a request with a body of the announced length and sends so much of it.
func begin(t testing.TB, nc net.Conn, announced, sent int) {
	t.Helper()
	head := fmt.Sprintf("POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", announced)
	if _, err := nc.Write(append([]byte(head), make([]byte, sent)...)); err != nil {
		t.Fatal(err)
	}
}

// What counts against the memory for bodies is what has come, and what has no room is refused, not the one that holds it.
func TestBodyMemory(t *testing.T) {
	s, _ := openTCP(t, Config{MaxBodyBytes: 1 << 20, BodyMemory: 1 << 20})
	for range 20 { // who only announces takes no room
		begin(t, dialTo(t, s), 1<<20, 100)
	}
	for s.cfg.Metrics.inflight.Load() < 20 {
		time.Sleep(time.Millisecond)
	}
	holder := dialTo(t, s)
	begin(t, holder, 1<<20, 900<<10)
	for s.bodies.used.Load() < 800<<10 {
		time.Sleep(time.Millisecond)
	}
	nc := dialTo(t, s)
	begin(t, nc, 600<<10, 600<<10)
	r := replyOn(t, nc)
	wantCode(t, r, 503, "no_memory")
	if r.header.Get("Retry-After") == "" {
		t.Error("there is no Retry-After")
	}
	small := dialTo(t, s)
	begin(t, small, 5000, 5000)
	wantCode(t, replyOn(t, small), 415, "not_an_image")
	if _, err := holder.Write(make([]byte, 124<<10)); err != nil {
		t.Fatal(err)
	}
	wantCode(t, replyOn(t, holder), 415, "not_an_image")
	s.wantMetric(t, "torchlit_body_memory_bytes", "0")
	s.wantMetric(t, rejected("body_memory"), "1")
}

// A body without an announced length is bounded as it comes.
func TestChunkedBodyIsBounded(t *testing.T) {
	s, _ := openTCP(t, Config{MaxBodyBytes: 1 << 20})
	f := func(size, status int, code string) {
		t.Helper()
		req, err := http.NewRequest("POST", "http://"+s.Addr().String()+"/v1/classify", io.MultiReader(bytes.NewReader(make([]byte, size))))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		wantCode(t, reply{resp.StatusCode, resp.Header, b}, status, code)
	}
	f(1<<20, 415, "not_an_image")
	f(1<<20+1, 413, "body_too_large")
	f(3<<20, 413, "body_too_large")
	s.wantMetric(t, "torchlit_body_memory_bytes", "0")
	s.wantMetric(t, rejected("body_too_large"), "2")
}

// A body must keep its pace, and headers have their time.
func TestSlowRequests(t *testing.T) {
	s, _ := openTCP(t, Config{HeaderTimeout: 100 * time.Millisecond, MinUploadRate: 1 << 20})
	f := func(first string) {
		t.Helper()
		nc := dialTo(t, s)
		if _, err := nc.Write([]byte(first)); err != nil {
			t.Fatal(err)
		}
		wantCode(t, replyOn(t, nc), 408, "request_timeout")
	}
	f("POST /v1/classify HTTP/1.1\r\nHost:")
	f("POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\nabc")
	f("POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nabc")
	s.wantMetric(t, rejected("slow_request"), "3")
	s.wantMetric(t, `torchlit_connections_closed_total{reason="slow_request"}`, "3")

	// Who keeps the pace has more than the headers' time.
	nc := dialTo(t, s)
	begin(t, nc, 1<<20, 100)
	time.Sleep(200 * time.Millisecond)
	if _, err := nc.Write(make([]byte, 1<<20-100)); err != nil {
		t.Fatal(err)
	}
	wantCode(t, replyOn(t, nc), 415, "not_an_image")
}

// A connection on which nothing comes is closed without a word, and so is one whose client reads no replies.
func TestIdleAndDeafConnections(t *testing.T) {
	s, _ := openTCP(t, Config{IdleTimeout: 50 * time.Millisecond, WriteTimeout: 50 * time.Millisecond})
	nc := dialTo(t, s)
	fmt.Fprint(nc, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	in := bufio.NewReader(nc)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("got %v; want EOF", err)
	}
	s.wantMetric(t, `torchlit_connections_closed_total{reason="idle"}`, "1")

	deaf := dialTo(t, s)
	go func() { // until the server closes
		for {
			if _, err := fmt.Fprint(deaf, strings.Repeat("GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n", 100)); err != nil {
				return
			}
		}
	}()
	s.wantMetric(t, `torchlit_connections_closed_total{reason="slow_reader"}`, "1")
}

// One address has its share of the connections, and no more.
func TestConnectionsOfAClient(t *testing.T) {
	s, _ := openTCP(t, Config{MaxConns: 10, MaxConnsPerClient: 3})
	var held []net.Conn
	for range 3 {
		held = append(held, dialTo(t, s))
	}
	r := replyOn(t, dialTo(t, s))
	wantCode(t, r, 429, "too_many_connections_from_client")
	if r.header.Get("Retry-After") == "" {
		t.Error("there is no Retry-After")
	}
	for _, nc := range held {
		_ = nc.Close()
	}
	for s.conns.count() > 0 {
		time.Sleep(time.Millisecond)
	}
	s.wantMetric(t, rejected("client_connections"), "1")
	s.wantMetric(t, "torchlit_connections", "1") // that of the question
}

func TestClientOf(t *testing.T) {
	f := func(addr, want string) {
		t.Helper()
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := clientOf(remote{addr: tcp}); got.String() != want {
			t.Errorf("%s: got %s; want %s", addr, got, want)
		}
	}
	f("192.0.2.7:1", "192.0.2.7")
	f("[::ffff:192.0.2.7]:1", "192.0.2.7")
	f("[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2::")
	f("[fe80::1%lo]:1", "fe80::")
	if got := clientOf(remote{addr: &net.UnixAddr{}}); got.IsValid() {
		t.Errorf("got %s for no address", got)
	}
}

type remote struct {
	net.Conn
	addr net.Addr
}

func (r remote) RemoteAddr() net.Addr { return r.addr }

// Two thousand connections that send a byte now and then take nothing from those who are quick: all of them are answered, while the slow
// ones wait for their end.
func TestTwoThousandSlowConnections(t *testing.T) {
	const slow = 2000
	s, _ := openTCP(t, Config{HeaderTimeout: 3 * time.Second, MinUploadRate: 1 << 30, MaxConnsPerClient: 4096})
	var conns []net.Conn
	for i := range slow {
		nc := dialTo(t, s)
		conns = append(conns, nc)
		if i%2 == 0 {
			fmt.Fprint(nc, "POST /v1/classify HTTP/1.1\r\nX-A: ")
		} else {
			begin(t, nc, 30<<20, 10)
		}
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // drips
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				_, _ = conns[i%slow].Write([]byte("a"))
			}
		}
	})
	body := pngOf(picture(8, 8, red))
	for range 4 {
		wg.Go(func() {
			for range 200 {
				resp, err := http.Post("http://"+s.Addr().String()+"/v1/classify", "image/png", bytes.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != 200 {
					t.Errorf("got %d", resp.StatusCode)
				}
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	s.wantMetric(t, "torchlit_body_memory_bytes", "0") // none of them holds any
	for i := 0; i < slow; i += 97 {
		wantCode(t, replyOn(t, conns[i]), 408, "request_timeout")
	}
	close(done)
	wg.Wait()
}

// An image that is too much for the memory of decoding is refused, and those that fit share it.
func TestDecodeMemory(t *testing.T) {
	var most int64
	s, _ := openTCP(t, Config{DecodeMemory: 1 << 20, DecodeWorkers: 4})
	post := func(data []byte) (int, string) {
		resp, err := http.Post("http://"+s.Addr().String()+"/v1/classify", "image/png", bytes.NewReader(data))
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	if status, text := post(pngOf(picture(500, 500, red))); status != 413 || !strings.Contains(text, "memory to decode") {
		t.Errorf("got %d %s", status, text)
	}
	fits := pngOf(picture(300, 300, red)) // 0.6 MB: only one at a time
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				if status, text := post(fits); status != 200 {
					t.Errorf("got %d %s", status, text)
				}
			}
		})
	}
	stop := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-stop:
				return
			default:
				most = max(most, s.decoding.Used())
				time.Sleep(50 * time.Microsecond)
			}
		}
	}()
	wg.Wait()
	close(stop)
	<-watched
	if most == 0 || most > 1<<20 {
		t.Errorf("up to %d bytes were held", most)
	}
	s.wantMetric(t, "torchlit_decode_memory_bytes", "0")
}
