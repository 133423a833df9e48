package track

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// spoolFile is a queue of events on disk: a header of fixed length, then an event a
// line, as JSON. The header holds the place of the first line not yet delivered, and
// is written over in place:
//
//	torchlit spool 1, sent to 00000000000000000071, dropped 0000000000
//
// When everything was delivered the lines go, so the file stays small while the
// server keeps up. A crash of the process loses no line that was written; it can make
// lines that were delivered be delivered again.
//
// It is for one goroutine at a time, and one process: the file is locked while open.
type spoolFile struct {
	f       *os.File
	path    string
	cursor  int64 // of the first line not delivered
	end     int64 // behind the last whole line
	waiting int   // lines from cursor to end
	dropped int   // events that found no room, in this run and the ones it goes on with
}

const (
	spoolHeader    = "torchlit spool 1, sent to %020d, dropped %010d\n"
	spoolHeaderLen = int64(len("torchlit spool 1, sent to , dropped \n") + 20 + 10)
)

// openSpoolFile opens the spool at path, or begins it.
func openSpoolFile(path string) (*spoolFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot open spool: %w", err)
	}
	s := &spoolFile{f: f, path: path}
	if err := s.load(); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot open spool %q: %w", path, err)
	}
	return s, nil
}

func (s *spoolFile) load() error {
	if err := unix.Flock(int(s.f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return errors.New("another process has it open: wait until that run has ended")
	}
	header := make([]byte, spoolHeaderLen)
	switch _, err := s.f.ReadAt(header, 0); {
	case errors.Is(err, io.EOF): // nothing yet, or cut short before the first line
		s.cursor, s.end = spoolHeaderLen, spoolHeaderLen
		return s.writeHeader()
	case err != nil:
		return err
	}
	if _, err := fmt.Sscanf(string(header), spoolHeader, &s.cursor, &s.dropped); err != nil || s.cursor < spoolHeaderLen {
		return errors.New("it is no spool, or is damaged; move it away to begin another")
	}
	lines, length, err := countLines(io.NewSectionReader(s.f, s.cursor, 1<<62))
	if err != nil {
		return err
	}
	if lines == 0 {
		return s.clear()
	}
	s.waiting, s.end = lines, s.cursor+length
	return nil
}

// countLines returns how many whole lines r has and how many bytes these are.
func countLines(r io.Reader) (lines int, length int64, err error) {
	buf := make([]byte, 64<<10)
	var at int64
	for {
		n, err := r.Read(buf)
		if last := bytes.LastIndexByte(buf[:n], '\n'); last >= 0 {
			lines += bytes.Count(buf[:n], []byte{'\n'})
			length = at + int64(last) + 1
		}
		at += int64(n)
		if errors.Is(err, io.EOF) {
			return lines, length, nil
		}
		if err != nil {
			return 0, 0, err
		}
	}
}

// append writes events behind the others. After an error none of them is there.
func (s *spoolFile) append(events []Event) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for i := range events {
		if err := enc.Encode(&events[i]); err != nil {
			panic("BUG: an event has no JSON form: " + err.Error())
		}
	}
	if _, err := s.f.WriteAt(b.Bytes(), s.end); err != nil {
		return fmt.Errorf("cannot write spool: %w", err) // names the file; the next line is written over the half one
	}
	s.end += int64(b.Len())
	s.waiting += len(events)
	return nil
}

// peek reads up to limit events that wait, or as many as take about maxBytes, and for
// each the place behind it, for delivered. A line that cannot be read is an Event
// without a kind.
func (s *spoolFile) peek(limit int, maxBytes int64) (events []Event, ends []int64, err error) {
	r := bufio.NewReader(io.NewSectionReader(s.f, s.cursor, s.end-s.cursor))
	at := s.cursor
	for len(events) < limit && at < s.end && at-s.cursor < maxBytes {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return nil, nil, fmt.Errorf("cannot read spool: %w", err)
		}
		at += int64(len(line))
		var e Event
		if json.Unmarshal(line, &e) != nil {
			e = Event{}
		}
		events, ends = append(events, e), append(ends, at)
	}
	return events, ends, nil
}

// delivered notes that count events up to the place end need not be kept.
func (s *spoolFile) delivered(count int, end int64) error {
	s.waiting -= count
	s.cursor = end
	if s.cursor == s.end {
		return s.clear()
	}
	return s.writeHeader()
}

// clear leaves the header only. The lines go first: a header that points behind the
// end of the file says the same as an empty file.
func (s *spoolFile) clear() error {
	s.cursor, s.end, s.waiting = spoolHeaderLen, spoolHeaderLen, 0
	if err := s.f.Truncate(spoolHeaderLen); err != nil {
		return fmt.Errorf("cannot clear spool: %w", err)
	}
	return s.writeHeader()
}

func (s *spoolFile) writeHeader() error {
	if _, err := fmt.Fprintf(io.NewOffsetWriter(s.f, 0), spoolHeader, s.cursor, s.dropped); err != nil {
		return fmt.Errorf("cannot write spool: %w", err)
	}
	return nil
}

// close closes the file, and removes it when nothing in it waits.
func (s *spoolFile) close() error {
	if s.waiting == 0 {
		if err := os.Remove(s.path); err != nil {
			s.f.Close()
			return fmt.Errorf("cannot remove spool: %w", err)
		}
	}
	return s.f.Close()
}
