package access

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newKeys are keys of lines, and a key for each.
func newKeys(t testing.TB, options ...string) (*Keys, []string) {
	t.Helper()
	var file strings.Builder
	var keys []string
	for i, o := range options {
		key, line, err := NewKey(fmt.Sprintf("k%d", i))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&file, line, o)
		keys = append(keys, key)
	}
	lines, err := ParseFile([]byte(file.String()))
	if err != nil {
		t.Fatal(err)
	}
	k := &Keys{end: func() {}}
	k.put(lines)
	return k, keys
}

func TestCheck(t *testing.T) {
	k, keys := newKeys(t, "", "rate=5", "expires=2001-01-01", "expires=2999-01-01T00:00:00Z")
	f := func(key string, want error) {
		t.Helper()
		if _, err := k.Check(key); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%.12s: got %v; want %v", key, err, want)
		}
	}
	f("", ErrNoKey)
	f(keys[0], nil)
	f(keys[1], nil)
	f(keys[1], nil)
	f(keys[2], ErrWrongKey)
	f(keys[3], nil)
	f(keys[0][:len(keys[0])-1], ErrWrongKey)
	f(keys[0]+"a", ErrWrongKey)
	f(strings.Replace(keys[0], "tl_k0_", "tl_k1_", 1), ErrWrongKey)
	f(strings.Replace(keys[0], "tl_k0_", "tl_kx_", 1), ErrWrongKey)
	f(strings.Replace(keys[0], "tl_k0_", "tl__", 1), ErrWrongKey)
	f("k0", ErrWrongKey)

	k = One("a key that somebody has chosen")
	f("a key that somebody has chosen", nil)
	f("a key that somebody has chosen ", ErrWrongKey)
	f(keys[0], ErrWrongKey)
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, keys := newKeys(t, "rate=2 burst=3", "rate=0.5")
		enter := func(key string, times int) (granted int, after time.Duration) {
			t.Helper()
			for range times {
				g, err := k.Enter(key)
				var over *RateError
				switch {
				case err == nil:
					g.Leave()
					granted++
				case errors.As(err, &over) && over.What == "rate":
					after = over.After
				default:
					t.Error(err)
				}
			}
			return granted, after
		}
		if n, after := enter(keys[0], 5); n != 3 || after != 500*time.Millisecond {
			t.Errorf("got %d at once, and then %s", n, after)
		}
		g, err := k.Check(keys[0])
		if err != nil {
			t.Fatal(err)
		}
		if limit, remaining, reset, ok := g.Rate(time.Now()); limit != 3 || remaining != 0 || reset != 1500*time.Millisecond || !ok {
			t.Errorf("got %d, %d, %s, %v", limit, remaining, reset, ok)
		}
		time.Sleep(500 * time.Millisecond)
		if n, _ := enter(keys[0], 5); n != 1 {
			t.Errorf("got %d after half a second", n)
		}
		if n, after := enter(keys[1], 2); n != 1 || after != 2*time.Second {
			t.Errorf("got %d of the slow key, and then %s", n, after)
		}
	})
}

func TestConcurrent(t *testing.T) {
	k, keys := newKeys(t, "concurrent=2", "")
	var held []*Grant
	for range 2 {
		g, err := k.Enter(keys[0])
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, g)
	}
	var over *RateError
	if _, err := k.Enter(keys[0]); !errors.As(err, &over) || over.What != "concurrency" {
		t.Errorf("got %v", err)
	}
	held[0].Leave()
	if _, err := k.Enter(keys[0]); err != nil {
		t.Error(err)
	}
	g, err := k.Enter(keys[1])
	if _, _, _, ok := g.Rate(time.Now()); err != nil || ok {
		t.Error("a key without limits has one", err)
	}
}

// A changed file counts from then on; one that cannot be read changes nothing, and a key whose line stays keeps its count.
func TestReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	first, line1, _ := NewKey("first")
	second, line2, _ := NewKey("second")
	line1.Rate, line1.Burst = 0.001, 1
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path+"~", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+"~", path); err != nil {
			t.Fatal(err)
		}
	}
	write(line1.String())
	changed := make(chan error, 1)
	k, err := Open(path, func(err error) { changed <- err })
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if _, err := k.Enter(first); err != nil {
		t.Fatal(err)
	}
	write("# two\n" + line1.String() + "\n" + line2.String() + "\n")
	if err := <-changed; err != nil || k.Len() != 2 {
		t.Fatal(err)
	}
	if _, err := k.Enter(second); err != nil {
		t.Error(err)
	}
	var over *RateError
	if _, err := k.Enter(first); !errors.As(err, &over) {
		t.Errorf("the count of a key is lost: %v", err)
	}
	write("nonsense of several words")
	if err := <-changed; err == nil || k.Len() != 2 {
		t.Errorf("got %v", err)
	}
	write(line2.String())
	if err := <-changed; err != nil {
		t.Error(err)
	}
	if _, err := k.Check(first); !errors.Is(err, ErrWrongKey) {
		t.Errorf("a key that was taken out is good: %v", err)
	}
}

func TestOpenTellsMistakes(t *testing.T) {
	_, line, _ := NewKey("a")
	f := func(text, want string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "keys")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path, nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "deadbeef") {
			t.Errorf("%q: got %v; want %s", text, err, want)
		}
	}
	f("", "it has no key")
	f("# only a comment\n", "it has no key")
	f("a-word-that-is-long-enough", "line 1: after the name")
	f("sha256:"+strings.Repeat("0f", 32), "line 1: its first word is no name")
	f("a b", "line 1: after the name")
	f("\na sha256:deadbeef", "line 2: the hash must be 64")
	f("a_b sha256:00", "may have letters, digits")
	f(line.String()+" rate=-1", "rate must be")
	f(line.String()+" rate=NaN", "rate must be")
	f(line.String()+" burst=0", "burst must be")
	f(line.String()+" concurrent=x", "concurrent must be")
	f(line.String()+" expires=soon", "expires must be a date")
	f(line.String()+" color=red", "unknown option; known are")
	f(line.String()+"\n"+line.String(), "line 2: there is a key of this name")
	if _, err := Open("/nowhere/keys", nil); err == nil {
		t.Error("a file that is not there is opened")
	}
}

// A key that was put into the file by mistake is not quoted by what is said of that.
func TestMistakesQuoteNothing(t *testing.T) {
	key, line, _ := NewKey("billing")
	for _, text := range []string{key, key + " rate=5", line.String() + "\n" + key, line.String() + " " + key, line.String() + " rate=" + key, "x " + key, "x sha256:" + key} {
		_, err := ParseFile([]byte(text))
		if err == nil || strings.Contains(err.Error(), key[len("tl_billing_"):][:8]) {
			t.Errorf("got %v", err)
		}
	}
}

// One word is a key only where that is asked for, and never a hash.
func TestPlain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	f := func(text string, ok bool) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := OpenPlain(path, func(error) {})
		if (err == nil) != ok {
			t.Errorf("%q: got %v", text, err)
		}
		if err == nil {
			if _, err := k.Check(text); err != nil {
				t.Errorf("%q is no key: %v", text, err)
			}
			k.Close()
		}
	}
	f("a-word-that-is-long-enough", true)
	f("short", false)
	f("sha256:"+strings.Repeat("0f", 32), false)
}

// What a key has spent, and what it has under way, stays with it when its limits change.
func TestUseOutlivesALine(t *testing.T) {
	key, line, _ := NewKey("a")
	k := &Keys{end: func() {}}
	put := func(limits Limits) {
		line.Limits = limits
		k.put([]Line{line})
	}
	put(Limits{Rate: 0.001, Burst: 1, Concurrent: 1})
	g, err := k.Enter(key)
	if err != nil {
		t.Fatal(err)
	}
	var over *RateError
	put(Limits{Concurrent: 1})
	if _, err := k.Enter(key); !errors.As(err, &over) || over.What != "concurrency" {
		t.Errorf("got %v", err)
	}
	put(Limits{Rate: 0.002, Burst: 1})
	g.Leave()
	if _, err := k.Enter(key); err != nil { // the rate was gone in between
		t.Error(err)
	}
	put(Limits{Rate: 0.003, Burst: 1})
	if _, err := k.Enter(key); !errors.As(err, &over) || over.What != "rate" {
		t.Errorf("got %v", err)
	}
	put(Limits{})
	if _, err := k.Enter(key); err != nil {
		t.Error(err)
	}
}

func TestBearer(t *testing.T) {
	for header, want := range map[string]string{
		"Bearer abc": "abc", "bearer  abc ": "abc", "Basic abc": "", "Bearer": "", "": "", "abc": "",
	} {
		if got := Bearer(header); got != want {
			t.Errorf("%q: got %q; want %q", header, got, want)
		}
	}
}

func TestEnterAllocatesLittle(t *testing.T) {
	k, keys := newKeys(t, "rate=1e9 concurrent=9")
	if n := testing.AllocsPerRun(100, func() {
		g, err := k.Enter(keys[0])
		if err != nil {
			t.Fatal(err)
		}
		g.Leave()
	}); n > 2 {
		t.Errorf("%v allocations", n)
	}
}

// What is parsed is written as it was read.
func FuzzParseFile(f *testing.F) {
	_, line, _ := NewKey("a")
	f.Add(line.String() + " rate=1.5 burst=3 concurrent=2 expires=2027-01-31 # why\n")
	f.Add("\n# c\nb sha256:" + strings.Repeat("0f", 32))
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := ParseFile([]byte(text))
		if err != nil {
			return
		}
		var again strings.Builder
		for _, l := range lines {
			fmt.Fprintln(&again, l)
		}
		back, err := ParseFile([]byte(again.String()))
		if err != nil || len(back) != len(lines) {
			t.Fatalf("%q: %v", again.String(), err)
		}
		for i := range lines {
			a, b := lines[i], back[i]
			if !a.Expires.Truncate(time.Second).Equal(b.Expires) {
				t.Fatalf("%v became %v", a, b)
			}
			a.Expires, b.Expires = time.Time{}, time.Time{}
			if a != b {
				t.Fatalf("%v became %v", a, b)
			}
		}
	})
}
