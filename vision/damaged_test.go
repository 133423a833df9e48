package vision

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"github.com/torchlit/torchlit/vision/internal/turbojpeg"
)

// TestDamagedJPEGs decodes every JPEG of testdata and of the fuzz corpus, cut short and with bytes changed. It wants no panic; a byte
// read or written outside the buffers is for a sanitizer to see. make test-jpeg-asan names the checked library, and then there
// are many more of them.
func TestDamagedJPEGs(t *testing.T) {
	needTurbo(t)
	cuts, changes := 4, 8
	if path := os.Getenv("TORCHLIT_CHECKED_JPEG"); path != "" {
		require.Contains(t, JPEGBackend(), path, "another library was opened")
		cuts, changes = 100, 300
	}
	var counts struct{ files, inputs, refused, decodes, failed int }
	random := rand.New(rand.NewPCG(1, 2))
	files := jpegFiles(t)
	for _, name := range slices.Sorted(maps.Keys(files)) { // in this order, so that the changes are the same each time
		counts.files++
		for _, data := range damaged(files[name], cuts, changes, random) {
			counts.inputs++
			decodes, failed := decodeEveryWay(t, name, data)
			counts.decodes += decodes
			counts.failed += failed
			if decodes == 0 {
				counts.refused++
			}
		}
	}
	t.Logf("%+v", counts)
	require.Greater(t, counts.files, 30)
	require.Greater(t, counts.decodes, 2*counts.inputs)
	require.Greater(t, counts.failed, counts.files)
}

// jpegFiles are the JPEGs of testdata and of FuzzDecode's corpus.
func jpegFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, pattern := range []string{"testdata/*.jpg", "testdata/fuzz/FuzzDecode/*"} {
		names, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, name := range names {
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			if quoted, ok := strings.CutPrefix(string(data), "go test fuzz v1\n[]byte("); ok {
				text, err := strconv.Unquote(strings.TrimSuffix(quoted, ")\n"))
				require.NoError(t, err, name)
				data = []byte(text)
			}
			if bytes.HasPrefix(data, []byte{0xFF, 0xD8}) {
				files[name] = data
			}
		}
	}
	return files
}

// damaged is the file, the file cut at so many places, and as many copies with one to four bytes changed as asked for, half of them in
// its first part, where the tables are.
func damaged(whole []byte, cuts, changes int, random *rand.Rand) [][]byte {
	all := [][]byte{whole}
	for i := range cuts {
		all = append(all, whole[:max(2, (i+1)*len(whole)/(cuts+1))])
	}
	for i := range changes {
		data := bytes.Clone(whole)
		within := len(data)
		if i%2 == 0 {
			within = min(within, 700)
		}
		for range 1 + random.IntN(4) {
			data[random.IntN(within)] = byte(random.Uint32())
		}
		all = append(all, data)
	}
	return all
}

// decodeEveryWay decodes as the server does, and at each scale into memory of the very size that the pixels need.
func decodeEveryWay(t *testing.T, name string, data []byte) (decodes, failed int) {
	t.Helper()
	lim := Limits{MaxPixels: 1 << 17}
	m, err := Decode(data, lim)
	m.Release()
	h, headerErr := readJPEGHeader(data)
	if headerErr != nil || lim.check("JPEG", h.width, h.height) != nil || h.scans > maxScans(lim, h.width*h.height) {
		require.Error(t, err, name)
		return 0, 0
	}
	lib, err := turbo()
	require.NoError(t, err)
	for _, scale := range []int{1, 2, 4, 8} {
		decodes++
		if !decodeExactly(lib, data, h, scale, 0) {
			failed++
		}
	}
	return decodes, failed
}

// decodeExactly decodes from memory that ends with the data into memory that ends with the pixels, or missing bytes before that.
func decodeExactly(lib *turbojpeg.Library, data []byte, h jpegHeader, scale, missing int) bool {
	width, height := (h.width+scale-1)/scale, (h.height+scale-1)/scale
	src := make([]byte, len(data))
	copy(src, data)
	decode, n := lib.DecodeRGB, width*height*3
	if h.components == 4 {
		decode, n = lib.DecodeCMYK, width*height*4
	}
	dst := unsafe.Slice(unsafe.SliceData(make([]byte, n-missing)), n)
	_, err := decode(dst, src, width, height)
	return err == nil
}

// TestOneByteTooManyIsSeen makes the mistake that make test-jpeg-asan is there to find, in a process of its own, which it ends.
func TestOneByteTooManyIsSeen(t *testing.T) {
	if os.Getenv("TORCHLIT_CHECKED_JPEG") == "" {
		t.Skip("skipped: for a checked libjpeg-turbo, see make test-jpeg-asan")
	}
	const mistake = "TORCHLIT_TEST_MISTAKE"
	if os.Getenv(mistake) == "" {
		again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		again.Env = append(os.Environ(), mistake+"=1")
		said, err := again.CombinedOutput()
		require.Error(t, err)
		require.Regexp(t, `(?s)ERROR: AddressSanitizer.*WRITE of size.*tjDecompress2`, string(said))
		return
	}
	lib, err := turbo()
	require.NoError(t, err)
	data := mustRead(t, "baseline_420.jpg")
	h, err := readJPEGHeader(data)
	require.NoError(t, err)
	decodeExactly(lib, data, h, 1, 1)
}
