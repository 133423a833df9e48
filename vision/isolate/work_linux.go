package isolate

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"image"
	"image/color/palette"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/torchlit/torchlit/vision"
)

// What a worker is started with: these descriptors beside the usual three, and these arguments behind those of Config.Command.
const (
	socketFD = 3
	memoryFD = 4

	numArgs = 3 // bytes for an image, bytes for pixels, bytes of memory of its own
)

// decodeFunc is vision.Preprocess.Decode.
type decodeFunc func(p *vision.Preprocess, data []byte, lim vision.Limits) (img *vision.Image, width, height int, err error)

// Work is a worker: the program that Config.Command names calls it with the last of its arguments, early, and exits when it returns. It
// returns nil when the pool is gone. It locks the process in, so nothing else can be done in it afterwards.
func Work(args []string) error { return work(args, (*vision.Preprocess).Decode) }

func work(args []string, decode decodeFunc) error {
	runtime.LockOSThread() // one thread sleeps in read and decodes: a wake-up less
	w, err := openWorkerSide(args, decode)
	if err != nil {
		return fmt.Errorf("cannot work for a pool: %w; torchlit serve --decode-isolation=process starts workers, nobody else", err)
	}
	if err := warmUp(decode); err != nil {
		return err
	}
	locks, err := lockIn(w.bound)
	if err != nil {
		return fmt.Errorf("cannot lock a decoder in: %w", err)
	}
	if err := warmUp(decode); err != nil {
		return err
	}
	if err := w.say(append([]byte{kindReady}, vision.JPEGBackend()+"; "+locks...)); err != nil {
		return err
	}
	for {
		if err := w.next(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// workerSide is a worker's end of what it shares with the pool.
type workerSide struct {
	data, pixels []byte
	bound        int64
	decode       decodeFunc
	buf          [maxMessage + 1]byte
}

func openWorkerSide(args []string, decode decodeFunc) (*workerSide, error) {
	if len(args) != numArgs {
		return nil, fmt.Errorf("%d arguments instead of %d", len(args), numArgs)
	}
	var n [numArgs]int
	for i, a := range args {
		v, err := strconv.Atoi(a)
		if err != nil || v <= 0 {
			return nil, fmt.Errorf("argument %q is no size", a)
		}
		n[i] = v
	}
	shared, err := unix.Mmap(memoryFD, 0, n[0]+n[1], unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("no memory at descriptor %d: %w", memoryFD, err)
	}
	if err := closeInherited(2, socketFD); err != nil {
		return nil, err
	}
	return &workerSide{data: shared[:n[0]:n[0]], pixels: shared[n[0]:], bound: int64(n[2]), decode: decode}, nil
}

// closeInherited closes what came from the server: its own descriptors close themselves when a program starts, but those that it
// has from whoever started it do not, and nobody knows what they are. What this process's runtime has opened stays.
func closeInherited(but ...int) error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("cannot list descriptors: %w", err)
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || slices.Contains(but, fd) {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			_ = unix.Close(fd)
		}
	}
	return nil
}

// next waits for a job and does it.
func (w *workerSide) next() error {
	b, err := w.hear()
	if err != nil {
		return err
	}
	j, err := parseJob(b)
	if err != nil {
		return fmt.Errorf("cannot read a job: %w", err)
	}
	var failed error
	lim := vision.Limits{MaxPixels: j.maxPixels, Into: w.pixels}
	large := false
	if j.memory > 0 {
		lim.Memory = vision.NewMemoryElsewhere(j.memory, func(n int64) error {
			large = large || n > largePicture
			if n <= j.inHand {
				return nil
			}
			err := w.want(&j, n)
			if !errors.Is(err, errNoMemory) {
				failed = cmp.Or(failed, err)
			}
			return err
		}, func(int64) {})
	}
	img, width, height, err := w.decode(&j.pre, w.data[:j.size], lim)
	if failed != nil {
		return failed
	}
	out := w.buf[:0]
	if err != nil {
		out = appendRefused(out, j.number, err)
	} else {
		if &img.Pix[0] != &w.pixels[0] {
			copy(w.pixels, img.Pix)
		}
		columns, _ := img.Extent()
		out = appendDecoded(out, j.number, width, height, scaleOf(width, columns))
		img.Release()
	}
	if err := w.say(out); err != nil {
		return err
	}
	if large {
		debug.FreeOSMemory()
	}
	return nil
}

// largePicture is one whose memory is worth the time that giving it back takes.
const largePicture = 64 << 20

// scaleOf is by what a picture of the given width was shrunk to so many columns.
func scaleOf(width int, columns float64) int {
	scale := 1
	for scale < 8 && float64(width)/float64(scale) > columns {
		scale *= 2
	}
	return scale
}

// want asks the pool for memory, and waits for it.
func (w *workerSide) want(j *job, n int64) error {
	if err := w.say(appendWant(w.buf[:0], j.number, n)); err != nil {
		return err
	}
	b, err := w.hear()
	if err != nil {
		return err
	}
	return parseHave(b, j.number)
}

// hear waits for a message. It returns io.EOF when the pool is gone.
func (w *workerSide) hear() ([]byte, error) {
	for {
		n, err := unix.Read(socketFD, w.buf[:])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, fmt.Errorf("cannot read from the pool: %w", err)
		case n == 0:
			return nil, io.EOF
		}
		return w.buf[:n], nil
	}
}

func (w *workerSide) say(b []byte) error {
	for {
		_, err := unix.Write(socketFD, b[:min(len(b), maxMessage)])
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EPIPE:
			return io.EOF
		case err != nil:
			return fmt.Errorf("cannot write to the pool: %w", err)
		}
		return nil
	}
}

// warmUp decodes a picture of each format that Go can write. The first time, outside of the sandbox, whatever decoders do once is done:
// libraries are opened, the runtime starts its helpers. The second time, inside, it shows that nothing is missing there.
func warmUp(decode decodeFunc) error {
	time.Sleep(time.Microsecond) // the runtime opens its poller with the first timer
	src := image.NewPaletted(image.Rect(0, 0, 400, 300), palette.Plan9)
	for i := range src.Pix {
		src.Pix[i] = byte(i / 7)
	}
	pre := vision.Preprocess{Width: 32, Height: 32}
	for _, encode := range []func(io.Writer) error{
		func(b io.Writer) error { return jpeg.Encode(b, src, nil) },
		func(b io.Writer) error { return png.Encode(b, src) },
		func(b io.Writer) error { return gif.Encode(b, src, nil) },
	} {
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			panic("BUG: isolate: " + err.Error())
		}
		img, _, _, err := decode(&pre, b.Bytes(), vision.Limits{})
		if err != nil {
			return fmt.Errorf("cannot decode a picture of our own: %w", err)
		}
		img.Release()
	}
	runtime.GC()
	started := make(chan struct{})
	go func() {
		runtime.LockOSThread() // and so has a thread to itself, which ends with it
		close(started)
	}()
	<-started
	return nil
}

// environment is what a worker knows of its surroundings: where libraries are, and which decoder of JPEG to take. Crashes are told of
// in one line, without what is on the stack.
func environment() []string {
	env := []string{"GOTRACEBACK=none", "GOMAXPROCS=1", "MALLOC_ARENA_MAX=1"}
	for _, name := range []string{"LD_LIBRARY_PATH", "TORCHLIT_JPEG"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
