package tensorboard

import (
	"encoding/binary"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is the checksum of a record: CRC-32C, turned and shifted so that the
// checksum of bytes that hold a checksum is no special case.
func masked(data []byte) uint32 {
	crc := crc32.Checksum(data, castagnoli)
	return (crc>>15 | crc<<17) + 0xa282ead8
}

// appendRecord frames data as a TFRecord: the length (little endian, 64 bits) and its
// checksum, the data and theirs.
// https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
func appendRecord(b, data []byte) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(data)))
	b = binary.LittleEndian.AppendUint32(b, masked(b[at:]))
	b = append(b, data...)
	return binary.LittleEndian.AppendUint32(b, masked(data))
}
