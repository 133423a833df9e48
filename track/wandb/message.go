package wandb

import (
	"errors"
	"iter"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// message is an encoded protobuf message, built field by field. As proto3 has it,
// a field with its zero value is left out.
type message []byte

func (m message) str(field protowire.Number, v string) message {
	if v == "" {
		return m
	}
	return protowire.AppendString(protowire.AppendTag(m, field, protowire.BytesType), v)
}

func (m message) strs(field protowire.Number, vs []string) message {
	for _, v := range vs { // elements of a list are there even when empty
		m = protowire.AppendString(protowire.AppendTag(m, field, protowire.BytesType), v)
	}
	return m
}

func (m message) num(field protowire.Number, v int64) message {
	if v == 0 {
		return m
	}
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), uint64(v))
}

func (m message) flag(field protowire.Number, v bool) message {
	if !v {
		return m
	}
	return m.num(field, 1)
}

// sub adds a message within the message, also when it is empty.
func (m message) sub(field protowire.Number, v message) message {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), v)
}

// timestamp is a google.protobuf.Timestamp.
func timestamp(t time.Time) message {
	return message{}.num(1, t.Unix()).num(2, int64(t.Nanosecond()))
}

var errNotProtobuf = errors.New("it is not a protobuf message")

// field is one field of a decoded message: bytes for strings and messages, num
// for numbers.
type field struct {
	number protowire.Number
	bytes  []byte
	num    uint64
}

// fields yields the fields of m in order, and at the end an error if m is not a
// message. The bytes belong to m.
func (m message) fields() iter.Seq2[field, error] {
	return func(yield func(field, error) bool) {
		for len(m) > 0 {
			number, kind, n := protowire.ConsumeTag(m)
			if n < 0 {
				yield(field{}, errNotProtobuf)
				return
			}
			m = m[n:]
			f := field{number: number}
			switch kind {
			case protowire.BytesType:
				f.bytes, n = protowire.ConsumeBytes(m)
			case protowire.VarintType:
				f.num, n = protowire.ConsumeVarint(m)
			default:
				n = protowire.ConsumeFieldValue(number, kind, m)
			}
			if n < 0 {
				yield(field{}, errNotProtobuf)
				return
			}
			m = m[n:]
			if !yield(f, nil) {
				return
			}
		}
	}
}
