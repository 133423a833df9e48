package predlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/torchlit/torchlit/monitor"
)

// file is the log's folder with its database open. It belongs to one goroutine.
type file struct {
	*store
	cfg  *Config
	path string
	lock *folderLock
	info os.FileInfo // of what is open
}

// openFile opens the log. A damaged one is moved aside.
func openFile(cfg *Config) (*file, error) {
	const advice = "make the folder writable for this user, or name another"
	if err := ensureDir(cfg.Dir); err != nil {
		return nil, fmt.Errorf("%w; %s", err, advice)
	}
	lock, err := lockFolder(filepath.Join(cfg.Dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, advice)
	}
	f := &file{cfg: cfg, path: File(cfg.Dir), lock: lock}
	err = f.open()
	if err != nil && kindOf(err) == damaged {
		err = f.replace(err)
	}
	if err != nil {
		lock.close()
		if kindOf(err) == passing && !errors.Is(err, errForeign) && !errors.Is(err, errOthers) {
			return nil, fmt.Errorf("%w; %s", err, advice)
		}
		return nil, err
	}
	return f, nil
}

// asideMark is in the names of files that were moved aside, before the time.
const asideMark = ".damaged-"

var errTakenAway = errors.New("there is another file in its place, or none")

// mostAside is how many damaged files are kept.
const mostAside = 2

// replace moves the damaged file aside and opens a new one.
func (f *file) replace(why error) error {
	if f.store != nil {
		_ = f.store.close()
		f.store = nil
	}
	if !f.lock.alone() {
		return errOthers
	}
	defer f.lock.share()
	aside := f.path + asideMark + time.Now().UTC().Format("20060102T150405.000000000Z")
	if err := os.Rename(f.path, aside); err != nil {
		return err
	}
	for _, suffix := range []string{"-wal", "-shm"} { // what recovers the file wants its WAL
		_ = os.Rename(f.path+suffix, aside+suffix)
	}
	f.cfg.Report(fmt.Sprintf("the prediction log was damaged; it is kept as %q, and a new one is begun", aside), why)
	f.removeAside(0)
	if err := ensureDir(f.cfg.Dir); err != nil {
		return err
	}
	return f.open()
}

// open opens the database at f's path.
func (f *file) open() (err error) {
	if f.store, err = openStore(f.path, f.cfg.open); err != nil {
		return err
	}
	f.info, err = os.Stat(f.path)
	return err
}

// ready sees to it that a database is open, the one at f's path. why is the failure that closed it.
func (f *file) ready(why error) (stored int, err error) {
	switch {
	case f.store != nil:
		return 0, f.followPath()
	case kindOf(why) == damaged || errors.Is(why, errOthers):
		return 0, f.replace(why)
	}
	if err := ensureDir(f.cfg.Dir); err != nil {
		return 0, err
	}
	return 0, f.open()
}

// write implements database.
func (f *file) write(answers []monitor.Answer, vectors func(string) bool, calls []call) error {
	return f.transact(func(ctx context.Context) error {
		for i := range answers {
			if err := f.add(ctx, &answers[i], vectors(answers[i].RequestID)); err != nil {
				return err
			}
		}
		return doCalls(ctx, f.store, calls)
	})
}

func (f *file) place() string           { return f.cfg.Dir }
func (f *file) advice() string          { return "give it room, or make its folder writable" }
func (f *file) kindOf(err error) kind   { return kindOf(err) }
func (f *file) crowded(most int64) bool { return f.bytes() > most }

// forgotten implements database: the WAL has the deleted pages still.
func (f *file) forgotten() { f.flushWAL() }

// followPath opens a new database when somebody has deleted the file, or moved it away: what was written to the old one, and
// acknowledged, nobody would find.
func (f *file) followPath() error {
	if now, err := os.Stat(f.path); err == nil && os.SameFile(now, f.info) {
		return nil
	}
	_ = f.store.close() // which takes the WAL away as well: it is the old file's
	f.store = nil
	f.cfg.Report("the prediction log was deleted or moved away; a new one is begun", errTakenAway)
	if err := ensureDir(f.cfg.Dir); err != nil {
		return err
	}
	return f.open()
}

// removeAside deletes damaged files beyond the newest ones, and, if age is not 0, those that are older: they hold answers, too.
func (f *file) removeAside(age time.Duration) {
	found, err := filepath.Glob(globEscape(f.path) + asideMark + "*Z")
	if err != nil {
		return
	}
	slices.Sort(found) // by time
	for i, name := range found {
		at, err := time.Parse("20060102T150405Z", name[strings.LastIndex(name, asideMark)+len(asideMark):])
		if i < len(found)-mostAside || err == nil && age > 0 && time.Since(at) > age {
			for _, suffix := range []string{"", "-wal", "-shm"} {
				_ = os.Remove(name + suffix)
			}
		}
	}
}

func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// bytes is what the files take.
func (f *file) bytes() int64 {
	var sum int64
	for _, suffix := range []string{"", "-wal"} {
		if st, err := os.Stat(f.path + suffix); err == nil {
			sum += st.Size()
		}
	}
	return sum
}

func (f *file) close() error {
	defer f.lock.close()
	if f.store == nil {
		return nil
	}
	return f.store.close()
}
