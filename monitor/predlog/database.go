package predlog

import (
	"context"
	"time"

	"github.com/torchlit/torchlit/monitor"
)

// database is what the writer knows of where answers are stored: an SQLite file, or a PostgreSQL server. It belongs to one goroutine.
type database interface {
	// place is its name in errors, without a password.
	place() string

	// advice is what an operator can do when it cannot be written.
	advice() string

	// ready sees to it that it is open; why is the last failure, nil when all was well. stored says how many of the first answers
	// of a write whose end nobody heard of are stored after all.
	ready(why error) (stored int, err error)

	// write stores answers, and then does the calls, as one transaction: after an error nothing of it is there, or ready tells.
	write(answers []monitor.Answer, vectors func(requestID string) bool, calls []call) error

	// kindOf says what an error of write or retain means.
	kindOf(err error) kind

	// replace puts another in the place of a damaged one.
	replace(why error) error

	// forgotten is called when answers have been deleted on demand, before that is acknowledged.
	forgotten()

	// retain is one pass over what is too old, or too much. more says that another would delete more.
	retain(c *clock, now time.Time, age time.Duration, bytes int64) (deleted int, more bool, err error)

	// bytes is its size, as far as that can be told at no cost; crowded whether it is known to be above most.
	bytes() int64
	crowded(most int64) bool

	close() error
}

// transaction is what calls may do in one.
type transaction interface {
	// label stores the labels of calls, in order, and sets their verdicts.
	label(ctx context.Context, now int64, calls []*feedbackCall) error

	// forget deletes the answers of a request.
	forget(ctx context.Context, model, requestID string) (int, error)

	// addWindow stores a window, unless there is one with the same first answer. The error may be errNoModel.
	addWindow(ctx context.Context, w *Window) (bool, error)
}

// kind is what an error of the database means for the writer.
type kind int

const (
	passing kind = iota // time, room or a person may heal it
	damaged             // the file is
	refused             // the database will never take this
)

// openDatabase opens what cfg names.
func openDatabase(cfg *Config) (database, error) {
	if cfg.DSN != "" {
		return openPostgres(cfg)
	}
	return openFile(cfg)
}

// doCalls does calls in order. Those that bring labels and follow each other are done together.
func doCalls(ctx context.Context, t transaction, calls []call) error {
	now := time.Now().UnixMilli()
	for len(calls) > 0 {
		var labels []*feedbackCall
		for _, c := range calls {
			f, ok := c.(*feedbackCall)
			if !ok {
				break
			}
			labels = append(labels, f)
		}
		if len(labels) > 0 {
			if err := t.label(ctx, now, labels); err != nil {
				return err
			}
			calls = calls[len(labels):]
			continue
		}
		if err := calls[0].do(ctx, t); err != nil {
			return err
		}
		calls = calls[1:]
	}
	return nil
}
