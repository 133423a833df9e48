package predlog

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"time"

	"github.com/torchlit/torchlit/monitor"
)

// Names of the files in Config.Dir. SQLite adds -wal and -shm to the first.
const (
	fileName = "predictions.db"
	lockName = "predictions.lock"
)

// File is the database of the log in dir.
func File(dir string) string { return filepath.Join(dir, fileName) }

// Config says how a Log behaves. Dir or DSN is to be set; the zero value of every other field stands for the default that its comment ends
// with.
type Config struct {
	// Dir is the folder of a log in SQLite. It is made, for its owner alone, when it is not there.
	Dir string

	// DSN is the address of a log in PostgreSQL, which several servers may share: postgres://user:password@host:port/database, or any
	// other that libpq reads. It holds a password perhaps: no error and no report repeats it. The log is in the schema "torchlit" there,
	// which is made when it is not there.
	DSN string

	// Sample is the share of answers that are logged, above 0 and up to 1. What decides is a hash of the request's id, so a label is
	// told apart that came for an answer which was never to be logged. Default 1.
	Sample float64

	// Vectors is the share of logged answers of which all probabilities and the embedding are kept, as float16. Default none.
	Vectors float64

	// Pictures is the share of logged answers of which the picture is kept, as the model saw it. Default none.
	Pictures float64

	// MaxAge is how long an answer is kept, with all that belongs to it. Zero means no bound.
	MaxAge time.Duration

	// MaxBytes bounds the log's files or tables; the oldest answers go first. At least MinBytes. Zero means no bound.
	MaxBytes int64

	// Interval is how long an answer may wait to be written. Default 1 s.
	Interval time.Duration

	// Queue bounds the answers that wait to be written; one more is dropped. Default 8192.
	Queue int

	// QueueBytes bounds the pictures that wait to be written; one more is dropped, its answer is not. Default 64 MiB.
	QueueBytes int64

	// Score fills in how strange an answer is (Answer.OOD) before it is stored. It is called by one goroutine, off every request's way,
	// and while it works nothing is written. It may not keep or change the answer. Default: none, and OOD is stored as it came.
	Score func(*monitor.Answer) float32

	// Report hears of what an operator should know: failed writes, once for each time that they begin, and the recovery, with a nil
	// error; a damaged file. It is called by one goroutine and must not wait. Default: nobody hears.
	Report func(what string, err error)

	open func(dsn string) (*sql.DB, error) // tests put a disk that hangs in place of the driver
}

const (
	// MinBytes is the least Config.MaxBytes.
	MinBytes = 16 << 20

	defaultInterval   = time.Second
	defaultQueue      = 8192
	defaultQueueBytes = 64 << 20
)

func (c *Config) setDefaults() {
	if c.Sample == 0 {
		c.Sample = 1
	}
	if c.Interval == 0 {
		c.Interval = defaultInterval
	}
	if c.Queue == 0 {
		c.Queue = defaultQueue
	}
	if c.QueueBytes == 0 {
		c.QueueBytes = defaultQueueBytes
	}
	if c.Report == nil {
		c.Report = func(string, error) {}
	}
	if c.open == nil {
		c.open = func(dsn string) (*sql.DB, error) { return sql.Open("sqlite", dsn) }
	}
}

// place is where the log is, without a password.
func (c *Config) place() string {
	if c.DSN != "" {
		return placeOf(c.DSN)
	}
	return c.Dir
}

// Validate reports the first setting that cannot work.
func (c *Config) Validate() error {
	if c.Dir == "" && c.DSN == "" {
		return fmt.Errorf("cannot keep a prediction log without a folder; name one")
	}
	if c.Dir != "" && c.DSN != "" {
		return fmt.Errorf("cannot keep a prediction log in a folder and in PostgreSQL; name one of them")
	}
	for _, s := range []struct {
		name  string
		share float64
	}{{"sampled", c.Sample}, {"kept vectors", c.Vectors}, {"kept pictures", c.Pictures}} {
		if !(s.share >= 0 && s.share <= 1) {
			return fmt.Errorf("cannot use %v as the share of %s: it must be between 0 and 1", s.share, s.name)
		}
	}
	if c.MaxAge < 0 || c.Interval < 0 || c.Queue < 0 || c.QueueBytes < 0 {
		return fmt.Errorf("cannot use a negative age, interval or queue for the prediction log")
	}
	if c.MaxBytes != 0 && c.MaxBytes < MinBytes {
		return fmt.Errorf("cannot keep the prediction log within %d bytes: it needs at least %d", c.MaxBytes, MinBytes)
	}
	return nil
}
