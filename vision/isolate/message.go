package isolate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/torchlit/torchlit/vision"
)

// What is said over the socket, one message a packet: a kind, then fields of eight bytes, little-endian, then maybe a text.
//
//	worker                       pool
//	ready: text               →
//	                          ←  job: number, size of the image, limits, memory in hand, what the model takes
//	want: number, bytes       →     only when the memory in hand is not enough
//	                          ←  have: number, 1 or, where there is no memory, 0
//	answer: number, status,   →
//	  size, scale, text
const (
	kindReady = iota + 1
	kindJob
	kindWant
	kindHave
	kindAnswer
)

// maxMessage bounds a packet. Whoever reads has a buffer of one byte more, so that a longer one is noticed.
const (
	maxMessage = 512
	maxText    = 300
)

// What an answer says.
const (
	statusDecoded = iota
	statusEmpty
	statusNotImage
	statusTooLarge
	statusCorrupt
)

// kinds are vision's errors, by status.
var kinds = [...]error{statusEmpty: vision.ErrEmpty, statusNotImage: vision.ErrNotImage, statusTooLarge: vision.ErrTooLarge, statusCorrupt: vision.ErrCorrupt}

// refusal is an error that a worker told of: a sentence and one of vision's sentinels.
type refusal struct {
	kind error
	text string
}

func (e *refusal) Error() string { return e.text }
func (e *refusal) Unwrap() error { return e.kind }

// job is one image, whose bytes lie in the shared memory.
type job struct {
	number    uint64
	size      int
	maxPixels int
	memory    int64 // all there is for all images; 0 for no bound
	inHand    int64 // of it, what this job may take without asking
	pre       vision.Preprocess
}

// modes are crop modes by their number in a message.
var modes = [...]string{"", vision.CropCenter, vision.CropSquash, vision.CropBorder}

func (j *job) append(b []byte) []byte {
	var mode, exact uint64
	for i, name := range modes {
		if name == j.pre.CropMode {
			mode = uint64(i)
		}
	}
	if j.pre.Exact {
		exact = 1
	}
	return appendFields(append(b, kindJob), j.number, uint64(j.size), uint64(j.maxPixels), uint64(j.memory), uint64(j.inHand),
		uint64(j.pre.Width), uint64(j.pre.Height), math.Float64bits(j.pre.CropPct), mode, exact)
}

// parseJob reads what the pool wrote, which a worker trusts.
func parseJob(b []byte) (j job, err error) {
	var f [10]uint64
	if _, err := parseFields(b, kindJob, f[:]); err != nil {
		return j, err
	}
	if f[8] >= uint64(len(modes)) {
		return j, errors.New("no such crop mode")
	}
	j = job{number: f[0], size: int(f[1]), maxPixels: int(f[2]), memory: int64(f[3]), inHand: int64(f[4])}
	j.pre = vision.Preprocess{Width: int(f[5]), Height: int(f[6]), CropPct: math.Float64frombits(f[7]), CropMode: modes[f[8]], Exact: f[9] == 1}
	return j, nil
}

// answer is what a worker says of a job, once it was found to be possible.
type answer struct {
	width, height int // of the whole picture, upright
	scale         int // the pixels are those of a picture that is smaller by this
	columns, rows int // of the pixels
	refused       error
}

// appendDecoded writes the answer to a picture that was decoded.
func appendDecoded(b []byte, number uint64, width, height, scale int) []byte {
	return appendFields(append(b, kindAnswer), number, statusDecoded, uint64(width), uint64(height), uint64(scale))
}

// appendRefused writes the answer to what is no picture.
func appendRefused(b []byte, number uint64, refused error) []byte {
	status := uint64(statusCorrupt)
	for i, kind := range kinds {
		if kind != nil && errors.Is(refused, kind) {
			status = uint64(i)
		}
	}
	text := printable(refused.Error())
	for len(text) > maxText {
		_, n := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-n]
	}
	return append(appendFields(append(b, kindAnswer), number, status, 0, 0, 0), text...)
}

// odd runes are not shown to people.
func odd(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }

// printable replaces what a terminal or a log might take for something else.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if odd(r) {
			return '?'
		}
		return r
	}, s)
}

// errNonsense is what a worker of ours does not say.
var errNonsense = errors.New("nonsense")

// parseAnswer reads what a worker says of j, for which it has taken so much memory, and believes nothing that it can check:
//
//   - The size is within the limit on pixels, as vision would have refused it otherwise. So no product of its sides overflows.
//   - The scale is one that this model's Preprocess allows for that size. That keeps a ribbon, which is cut before it is resized only
//     when it comes in full, from being resized to gigabytes.
//   - The pixels fit into the shared memory, and into the memory that was taken.
//   - A text is short, printable, and begins as vision's do.
func parseAnswer(b []byte, j *job, taken int64, shared int) (a answer, err error) {
	var f [5]uint64
	text, err := parseFields(b, kindAnswer, f[:])
	switch {
	case err != nil:
		return a, err
	case f[0] != j.number:
		return a, fmt.Errorf("%w: an answer to job %d instead of %d", errNonsense, f[0], j.number)
	case f[1] != statusDecoded:
		a.refused, err = parseRefused(f[1], text)
		return a, err
	case len(text) > 0:
		return a, fmt.Errorf("%w: %d bytes behind an answer", errNonsense, len(text))
	}
	width, height, scale := f[2], f[3], f[4]
	most := uint64(j.maxPixels)
	if width == 0 || height == 0 || width > most || height > most || width > most/height {
		return a, fmt.Errorf("%w: a picture of %d x %d", errNonsense, width, height)
	}
	a = answer{width: int(width), height: int(height)}
	if allowed := uint64(j.pre.MaxDraft(a.width, a.height)); scale == 0 || scale > allowed || scale&(scale-1) != 0 {
		return a, fmt.Errorf("%w: a picture of %d x %d at a scale of %d, where %d is allowed", errNonsense, width, height, scale, allowed)
	}
	a.scale = int(scale)
	a.columns, a.rows = (a.width+a.scale-1)/a.scale, (a.height+a.scale-1)/a.scale
	if size := 3 * a.columns * a.rows; size > shared || j.memory > 0 && int64(size) > taken {
		return a, fmt.Errorf("%w: %d bytes of pixels, where %d were asked for", errNonsense, size, taken)
	}
	return a, nil
}

func parseRefused(status uint64, text []byte) (refused, err error) {
	if status >= uint64(len(kinds)) || kinds[status] == nil {
		return nil, fmt.Errorf("%w: status %d", errNonsense, status)
	}
	s := string(text)
	if len(s) > maxText || !strings.HasPrefix(s, "cannot decode ") || !utf8.ValidString(s) || strings.ContainsFunc(s, odd) {
		return nil, fmt.Errorf("%w: a text of %d bytes", errNonsense, len(s))
	}
	return &refusal{kinds[status], s}, nil
}

// appendWant asks for all of n bytes of memory, in place of those in hand.
func appendWant(b []byte, number uint64, n int64) []byte {
	return appendFields(append(b, kindWant), number, uint64(n))
}

// parseWant reads how much memory the worker asks for.
func parseWant(b []byte, j *job) (n int64, err error) {
	var f [2]uint64
	rest, err := parseFields(b, kindWant, f[:])
	switch {
	case err != nil:
		return 0, err
	case len(rest) > 0 || f[0] != j.number || f[1] > uint64(j.memory) || f[1] <= uint64(j.inHand):
		return 0, fmt.Errorf("%w: %d bytes of memory are wanted, of %d", errNonsense, f[1], j.memory)
	}
	return int64(f[1]), nil
}

// errNoMemory is what the worker makes of a "no". Whoever asked hears why from the pool.
var errNoMemory = errors.New("cannot decode the image: there is no memory for it")

func appendHave(b []byte, number uint64, granted bool) []byte {
	yes := uint64(0)
	if granted {
		yes = 1
	}
	return appendFields(append(b, kindHave), number, yes)
}

// parseHave returns errNoMemory for a "no".
func parseHave(b []byte, number uint64) error {
	var f [2]uint64
	if _, err := parseFields(b, kindHave, f[:]); err != nil || f[0] != number {
		return errNonsense
	}
	if f[1] == 0 {
		return errNoMemory
	}
	return nil
}

func appendFields(b []byte, fields ...uint64) []byte {
	for _, f := range fields {
		b = binary.LittleEndian.AppendUint64(b, f)
	}
	return b
}

// parseFields fills fields from a message of the kind, and returns what follows them.
func parseFields(b []byte, kind byte, fields []uint64) (rest []byte, err error) {
	if len(b) > maxMessage || len(b) < 1+8*len(fields) || b[0] != kind {
		return nil, fmt.Errorf("%w: a message of %d bytes", errNonsense, len(b))
	}
	b = b[1:]
	for i := range fields {
		fields[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return b[8*len(fields):], nil
}
