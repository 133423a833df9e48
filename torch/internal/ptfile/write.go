package ptfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"strconv"
)

// Write writes root, a *Tensor or a *Dict from strings to *Tensor, as torch.save
// does. Storages are written once, however many tensors share one, and read one
// after the other.
func Write(w io.Writer, root any) error {
	p := pickler{known: map[*Storage]int{}}
	p.WriteString("\x80\x02") // protocol 2, that of torch.save
	if err := p.value(root); err != nil {
		return err
	}
	p.WriteByte('.')

	a := archive{zip: zip.NewWriter(w)}
	a.add("data.pkl", p.Bytes())
	a.add(".format_version", []byte("1"))
	a.add(".storage_alignment", []byte("64"))
	a.add("byteorder", []byte("little"))
	for i, s := range p.storages {
		data, err := s.Read()
		if err != nil {
			return err
		}
		if int64(len(data)) != s.Bytes {
			return fmt.Errorf("a storage of %d bytes gave %d", s.Bytes, len(data))
		}
		a.add("data/"+strconv.Itoa(i), data)
	}
	a.add("version", []byte("3\n"))
	return a.close()
}

// pickler makes the program that rebuilds a value.
type pickler struct {
	bytes.Buffer
	storages []*Storage
	known    map[*Storage]int // index in storages
}

func (p *pickler) value(v any) error {
	switch v := v.(type) {
	case *Tensor:
		return p.tensor(v)
	case *Dict:
		p.WriteString("ccollections\nOrderedDict\n)R(")
		for _, item := range v.Items {
			if err := p.value(item.Key); err != nil {
				return err
			}
			if err := p.value(item.Value); err != nil {
				return err
			}
		}
		p.WriteByte('u')
	case string:
		return p.string(v)
	default:
		panic(fmt.Sprintf("BUG: a file of PyTorch of %T", v))
	}
	return nil
}

func (p *pickler) string(s string) error {
	if len(s) > math.MaxInt32 {
		return fmt.Errorf("a name of %d bytes is too long", len(s))
	}
	p.WriteByte('X')
	p.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(s))))
	p.WriteString(s)
	return nil
}

func (p *pickler) integer(n int64) {
	if int64(int32(n)) == n {
		p.WriteByte('J')
		p.Write(binary.LittleEndian.AppendUint32(nil, uint32(n)))
		return
	}
	p.WriteString("\x8a\x08")
	p.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
}

func (p *pickler) integers(list []int64) {
	p.WriteByte('(')
	for _, n := range list {
		p.integer(n)
	}
	p.WriteByte('t')
}

// tensor calls _rebuild_tensor_v2, or v3 for a type that came after typed
// storages.
func (p *pickler) tensor(t *Tensor) error {
	size, err := t.DType.size()
	if err != nil {
		return err
	}
	name, class := t.DType.names()
	function, storage, elements := "_rebuild_tensor_v2", "ctorch\n"+class+"\n", t.Storage.Bytes/size
	if class == "" {
		function, storage, elements = "_rebuild_tensor_v3", "ctorch.storage\nUntypedStorage\n", t.Storage.Bytes
	}
	p.WriteString("ctorch._utils\n" + function + "\n((")
	_ = p.string("storage")
	p.WriteString(storage)
	_ = p.string(strconv.Itoa(p.key(t.Storage)))
	_ = p.string(t.Storage.Location)
	p.integer(elements)
	p.WriteString("tQ")
	p.integer(t.Offset)
	p.integers(t.Sizes)
	p.integers(t.Strides)
	if t.RequiresGrad {
		p.WriteByte('\x88')
	} else {
		p.WriteByte('\x89')
	}
	p.WriteString("ccollections\nOrderedDict\n)R") // no hooks
	if class == "" {
		p.WriteString("ctorch\n" + name + "\n")
	}
	p.WriteString("tR")
	return nil
}

func (p *pickler) key(s *Storage) int {
	i, ok := p.known[s]
	if !ok {
		i = len(p.storages)
		p.known[s] = i
		p.storages = append(p.storages, s)
	}
	return i
}

// archive is a zip writer that puts every record's bytes at a multiple of 64 of
// the file, so that PyTorch can map them, and its sizes in front of them.
type archive struct {
	zip *zip.Writer
	at  int64
	err error
}

const localHeader = 30 // bytes of a record's header, without name and extra field

func (a *archive) add(name string, data []byte) {
	if a.err != nil {
		return
	}
	name = "archive/" + name
	start := a.at + localHeader + int64(len(name)) + 4
	padding := (64 - start%64) % 64
	extra := binary.LittleEndian.AppendUint16([]byte("FB"), uint16(padding))
	extra = append(extra, bytes.Repeat([]byte("Z"), int(padding))...)

	var w io.Writer
	w, a.err = a.zip.CreateRaw(&zip.FileHeader{
		Name:               name,
		Method:             zip.Store,
		Extra:              extra,
		CRC32:              crc32.ChecksumIEEE(data),
		CompressedSize64:   uint64(len(data)),
		UncompressedSize64: uint64(len(data)),
	})
	if a.err == nil {
		_, a.err = w.Write(data)
	}
	a.at = start + padding + int64(len(data))
}

func (a *archive) close() error {
	if a.err != nil {
		return a.err
	}
	return a.zip.Close()
}
