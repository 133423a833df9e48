//go:build ignore

// Writes bomb.png: a valid 20,000×20,000 PNG, 400 million pixels in about 50 kB. Run it
// in this directory: go run make_bomb.go
package main

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"log"
	"os"
)

const side = 20_000

func main() {
	out := bytes.NewBufferString("\x89PNG\r\n\x1a\n")
	header := binary.BigEndian.AppendUint32(nil, side)
	header = binary.BigEndian.AppendUint32(header, side)
	chunk(out, "IHDR", append(header, 1, 0, 0, 0, 0)) // 1-bit grey: the smallest file for that many pixels

	var data bytes.Buffer
	z, err := zlib.NewWriterLevel(&data, zlib.BestCompression)
	if err != nil {
		log.Fatal(err)
	}
	row := make([]byte, 1+(side+7)/8)
	for range side {
		if _, err := z.Write(row); err != nil {
			log.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		log.Fatal(err)
	}
	chunk(out, "IDAT", data.Bytes())
	chunk(out, "IEND", nil)
	if err := os.WriteFile("bomb.png", out.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}

func chunk(out *bytes.Buffer, kind string, data []byte) {
	_ = binary.Write(out, binary.BigEndian, uint32(len(data)))
	body := append([]byte(kind), data...)
	out.Write(body)
	_ = binary.Write(out, binary.BigEndian, crc32.ChecksumIEEE(body))
}
