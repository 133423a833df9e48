package dataset

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// python2 pickles as Python 2's cPickle does with protocol 2, in which CIFAR was
// published.
type python2 struct{ bytes.Buffer }

func (p *python2) str(s string) {
	if len(s) < 256 {
		p.WriteByte('U')
		p.WriteByte(byte(len(s)))
	} else {
		p.WriteByte('T')
		p.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(s))))
	}
	p.WriteString(s)
}

func (p *python2) integer(n int) {
	switch {
	case n >= 0 && n < 256:
		p.Write([]byte{'K', byte(n)})
	case n >= 0 && n < 65536:
		p.Write(binary.LittleEndian.AppendUint16([]byte{'M'}, uint16(n)))
	default:
		p.Write(binary.LittleEndian.AppendUint32([]byte{'J'}, uint32(n)))
	}
}

func (p *python2) value(v any) {
	switch v := v.(type) {
	case string:
		p.str(v)
	case int:
		p.integer(v)
	case []int:
		p.WriteString("](")
		for _, n := range v {
			p.integer(n)
		}
		p.WriteByte('e')
	case []string:
		p.WriteString("](")
		for _, s := range v {
			p.str(s)
		}
		p.WriteByte('e')
	case [][]byte: // a numpy array of uint8 with these rows
		p.WriteString("cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01")
		p.integer(len(v))
		p.integer(len(v[0]))
		p.WriteString("\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89")
		p.str(string(bytes.Join(v, nil)))
		p.WriteString("tb")
	default:
		panic(fmt.Sprintf("no pickle of %T", v))
	}
}

// dict pickles keys and values by turns, then the end.
func dict(pairs ...any) []byte {
	p := &python2{}
	p.WriteString("\x80\x02}q\x01(")
	for _, v := range pairs {
		p.value(v)
	}
	p.WriteString("u.")
	return p.Bytes()
}

// rows makes n images as CIFAR's rows: every image and channel another.
func rows(n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = make([]byte, cifarPixels)
		for p := range out[i] {
			out[i][p] = byte(p + 17*i + p/cifarPlane*50)
		}
	}
	return out
}

// writePython makes the Python folders of CIFAR-10 and CIFAR-100 in root, with two
// images a batch.
func writePython(t *testing.T, root string) {
	dir := filepath.Join(root, "cifar-10-batches-py")
	for i, name := range append(cifars[1].train, cifars[1].test...) {
		write(t, filepath.Join(dir, name), dict("batch_label", name, "labels", []int{i, 9 - i}, "data", rows(2), "filenames", []string{"a.png", "b.png"}))
	}
	write(t, filepath.Join(dir, "batches.meta"), dict("num_cases_per_batch", 2, "label_names", CIFAR10Classes(), "num_vis", 3072))
	dir = filepath.Join(root, "cifar-100-python")
	for i, name := range []string{"train", "test"} {
		write(t, filepath.Join(dir, name), dict("filenames", []string{"a.png", "b.png"}, "batch_label", name,
			"fine_labels", []int{99, 3 + i}, "coarse_labels", []int{19, 4 + i}, "data", rows(2)))
	}
	write(t, filepath.Join(dir, "meta"), dict("fine_label_names", CIFAR100Classes(), "coarse_label_names", CIFAR100Superclasses()))
}

func requireRows(t *testing.T, s *Set, n int) {
	t.Helper()
	want := rows(n)
	for i := range s.Len() {
		row := want[i%n]
		for p := range cifarPlane {
			require.Equal(t, []byte{row[p], row[p+cifarPlane], row[p+2*cifarPlane]}, s.Image(i)[3*p:][:3])
		}
	}
}

func TestOpenPython(t *testing.T) {
	root := t.TempDir()
	writePython(t, root)
	dir := filepath.Join(root, "cifar-10-batches-py")
	form, err := Detect(dir)
	require.NoError(t, err)
	require.Equal(t, FormCIFAR10Python, form)
	train, test, err := OpenSplits(dir, Options{})
	require.NoError(t, err)
	require.Equal(t, []int64{0, 9, 1, 8, 2, 7, 3, 6, 4, 5}, train.Labels)
	require.Equal(t, []int64{5, 4}, test.Labels)
	require.Equal(t, CIFAR10Classes(), test.Classes)
	requireRows(t, train, 2)
	requireRows(t, test, 2)

	one, err := Open(filepath.Join(dir, "data_batch_2"), Options{})
	require.NoError(t, err)
	require.Equal(t, []int64{1, 8}, one.Labels)
	require.NoError(t, os.Rename(filepath.Join(dir, "data_batch_2"), filepath.Join(root, "mine")))
	one, err = Open(filepath.Join(root, "mine"), Options{})
	require.NoError(t, err, "a pickle of another name")
	require.Equal(t, []int64{1, 8}, one.Labels)
}

func TestOpenCIFAR100(t *testing.T) {
	root := t.TempDir()
	writePython(t, root)
	binaryDir := filepath.Join(root, "binary", "cifar-100-binary")
	for i, name := range []string{"train.bin", "test.bin"} {
		var data []byte
		for k, row := range rows(2) {
			labels := [][]byte{{19, 99}, {byte(4 + i), byte(3 + i)}} // coarse, fine
			data = append(append(data, labels[k]...), row...)
		}
		write(t, filepath.Join(binaryDir, name), data)
	}
	for _, dir := range []string{filepath.Join(root, "cifar-100-python"), binaryDir, filepath.Join(root, "binary")} {
		train, test, err := OpenSplits(dir, Options{})
		require.NoError(t, err)
		require.Equal(t, []int64{99, 3}, train.Labels)
		require.Equal(t, []int64{99, 4}, test.Labels)
		require.Equal(t, CIFAR100Classes(), train.Classes)
		requireRows(t, train, 2)
		train, _, err = OpenSplits(dir, Options{Labels: CoarseLabels})
		require.NoError(t, err)
		require.Equal(t, []int64{19, 4}, train.Labels)
		require.Equal(t, CIFAR100Superclasses(), train.Classes)
		_, err = Open(dir, Options{Split: Train, Labels: "rough"})
		require.ErrorContains(t, err, `"fine" or "coarse"`)
	}
	one, err := Open(filepath.Join(binaryDir, "test.bin"), Options{})
	require.NoError(t, err)
	require.Equal(t, []int64{99, 4}, one.Labels)
	require.NoError(t, os.Rename(filepath.Join(binaryDir, "test.bin"), filepath.Join(root, "mine.bin")))
	one, err = Open(filepath.Join(root, "mine.bin"), Options{})
	require.NoError(t, err, "records of another name, told by their length")
	require.Equal(t, []int64{99, 4}, one.Labels)

	write(t, filepath.Join(binaryDir, "fine_label_names.txt"), []byte("a\nb\n"))
	_, err = Open(binaryDir, Options{Split: Train})
	require.ErrorContains(t, err, "lists 2 names, expected 100")
	write(t, filepath.Join(root, "cifar-10-batches-bin", "test_batch.bin"), record(1))
	_, err = Open(filepath.Join(root, "cifar-10-batches-bin"), Options{Split: Test, Labels: CoarseLabels})
	require.ErrorContains(t, err, "only CIFAR-100 has them")
	require.Len(t, CIFAR100Classes(), 100)
	require.Len(t, CIFAR100Superclasses(), 20)
}

func TestOpenPythonDamaged(t *testing.T) {
	f := func(content []byte, want string) {
		t.Helper()
		dir := t.TempDir()
		writePython(t, dir)
		path := filepath.Join(dir, "cifar-10-batches-py", "data_batch_4")
		write(t, path, content)
		_, _, err := OpenSplits(filepath.Dir(path), Options{})
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, path)
		require.ErrorContains(t, err, "fetch the archive again")
	}
	whole := dict("labels", []int{0, 1}, "data", rows(2))
	f(nil, "ends early")
	f(whole[:4000], "ends early")
	f([]byte("\x80\x02K\x01."), "the integer 1 where a dictionary is expected")
	f(dict("data", rows(2)), "labels are None, not a list")
	f(dict("labels", []int{0, 1}), "not an array of uint8")
	f(dict("labels", []int{0}, "data", rows(2)), "2 images and 1 labels")
	f(dict("labels", []int{0, 10}, "data", rows(2)), "image 1 has label 10, there are 10 classes")
	f(dict("labels", []string{"0", "1"}, "data", rows(2)), "not all integers")
	f(dict("labels", []int{0, 1}, "data", [][]byte{make([]byte, 3071), make([]byte, 3071)}), "rows of 3072 values")
	f(bytes.Replace(whole, []byte("u1"), []byte("i8"), 1), "not an array of uint8")
	f(bytes.Replace(whole, []byte("K\x00tb\x89"), []byte("K\x00tb\x88"), 1), "order of Fortran")
	// What a pickle could do: nothing is called, and the name is told.
	f([]byte("\x80\x02cos\nsystem\nU\x04true\x85R."), "os.system")
	f(bytes.Replace(whole, []byte("cnumpy\ndtype"), []byte("cnumpy\nload"), 1), "numpy.load, which is not part of a CIFAR batch")
	long := strings.Repeat("x", 5000)
	f([]byte("\x80\x02c"+long), "line without an end")
}

func FuzzAppendPickle(f *testing.F) {
	whole := dict("labels", []int{0, 1}, "data", rows(2))
	f.Add(whole)
	f.Add(whole[:100])
	f.Add(dict("labels", []int{}, "data", rows(1)))
	f.Add([]byte("\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}\x94."))
	f.Add([]byte("\x80\x02}q\x01(U\x06labelsh\x01U\x04datah\x01u."))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &Set{Classes: CIFAR10Classes(), Height: cifarSide, Width: cifarSide}
		if err := s.appendPickle(data, "labels"); err != nil {
			return
		}
		if s.Len() == 0 || len(s.Images) != s.Len()*s.imageLen() || len(s.Images) > len(data) {
			t.Fatalf("%d bytes became %d labels and %d bytes of pixels", len(data), s.Len(), len(s.Images))
		}
		for i, l := range s.Labels {
			if l < 0 || l > 9 {
				t.Fatalf("label %d of image %d", l, i)
			}
		}
	})
}
