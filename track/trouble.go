package track

import (
	"fmt"
	"sync"
	"time"
)

// troubles tells of a tracker's trouble without flooding: when it begins, and when it
// has ended if its beginning was told; a flapping server no more than every tenth
// minute. Any number of goroutines may use it at once.
type troubles struct {
	name, path string
	warn       func(string)

	mu        sync.Mutex
	told      bool      // of the trouble that lasts
	lastTime  time.Time // when a beginning was last told
	refusals  int
	firstSeen map[string]bool // sentences of tell
}

// quiet is how long no other beginning is told.
const quiet = 10 * time.Minute

// begin says that the sink cannot be reached.
func (t *troubles) begin(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if t.told || (!t.lastTime.IsZero() && now.Sub(t.lastTime) < quiet) {
		return
	}
	t.told, t.lastTime = true, now
	t.sayLocked("%s takes nothing: %v; the run goes on, its records are kept in %q until it does", t.name, err, t.path)
}

// end says that the sink takes everything again.
func (t *troubles) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.told {
		t.told = false
		t.sayLocked("%s takes records again", t.name)
	}
}

// refused says that a record was left out, the first time; the others are counted.
func (t *troubles) refused(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refusals++; t.refusals == 1 {
		t.sayLocked("%s: a record is left out: %v", t.name, err)
	}
}

// tellRefused says how many records were left out, when there were more than the one
// that refused has told of.
func (t *troubles) tellRefused() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refusals > 1 {
		t.sayLocked("%s: %d records were left out, because it refused them", t.name, t.refusals)
	}
}

// tell says a sentence the first time that its format is used.
func (t *troubles) tell(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.firstSeen[format] {
		return
	}
	if t.firstSeen == nil {
		t.firstSeen = map[string]bool{}
	}
	t.firstSeen[format] = true
	t.sayLocked(format, args...)
}

func (t *troubles) say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sayLocked(format, args...)
}

// sayLocked needs t.mu held, so that sentences keep their order.
func (t *troubles) sayLocked(format string, args ...any) {
	if t.warn != nil {
		t.warn(fmt.Sprintf(format, args...))
	}
}
