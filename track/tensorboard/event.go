package tensorboard

import (
	"maps"
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of an event file are few and small, so they are encoded by hand. Field
// numbers are from TensorBoard's tensorboard/compat/proto (event, summary, tensor,
// histogram) and tensorboard/plugins/hparams/plugin_data.proto.

// message is an encoded protobuf message.
type message []byte

func (m message) double(field protowire.Number, v float64) message {
	m = protowire.AppendTag(m, field, protowire.Fixed64Type)
	return protowire.AppendFixed64(m, math.Float64bits(v))
}

func (m message) float(field protowire.Number, v float32) message {
	m = protowire.AppendTag(m, field, protowire.Fixed32Type)
	return protowire.AppendFixed32(m, math.Float32bits(v))
}

func (m message) varint(field protowire.Number, v int64) message {
	m = protowire.AppendTag(m, field, protowire.VarintType)
	return protowire.AppendVarint(m, uint64(v))
}

func (m message) bytes(field protowire.Number, v []byte) message {
	m = protowire.AppendTag(m, field, protowire.BytesType)
	return protowire.AppendBytes(m, v)
}

func (m message) text(field protowire.Number, v string) message {
	m = protowire.AppendTag(m, field, protowire.BytesType)
	return protowire.AppendString(m, v)
}

// doubles is a packed repeated field.
func (m message) doubles(field protowire.Number, values []float64) message {
	m = protowire.AppendTag(m, field, protowire.BytesType)
	m = protowire.AppendVarint(m, uint64(8*len(values)))
	for _, v := range values {
		m = protowire.AppendFixed64(m, math.Float64bits(v))
	}
	return m
}

// event begins an Event.
func event(at time.Time, step int64) message {
	return message(nil).double(1, float64(at.UnixNano())/1e9).varint(2, step)
}

// fileVersion is what the first event of a file holds. From 2 on, readers look for
// the restarts that restart tells of.
func (m message) fileVersion() message { return m.text(3, "brain.Event:2") }

// restart makes readers forget what they read for the event's step and later ones.
func (m message) restart() message {
	const start = 1
	return m.bytes(7, message(nil).varint(1, start))
}

// summary adds a Summary of the given Values.
func (m message) summary(values ...message) message {
	var s message
	for _, v := range values {
		s = s.bytes(1, v)
	}
	return m.bytes(5, s)
}

func scalar(tag string, v float64) message {
	return message(nil).text(1, tag).float(2, float32(v))
}

// RGBA as the Image message counts it: the number of channels.
const rgba = 4

func picture(tag string, height, width int, png []byte, caption string) message {
	image := message(nil).varint(1, int64(height)).varint(2, int64(width)).varint(3, rgba).bytes(4, png)
	v := message(nil).text(1, tag).bytes(4, image)
	if caption != "" {
		const blobs = 3 // without a data class, TensorBoard's fast loader drops the caption
		v = v.bytes(9, message(nil).bytes(1, message(nil).text(1, "images")).text(3, caption).varint(4, blobs))
	}
	return v
}

func histogram(tag string, h *buckets) message {
	histo := message(nil).double(1, h.min).double(2, h.max).double(3, h.num).double(4, h.sum).double(5, h.sumSquares).
		doubles(6, h.limits).doubles(7, h.counts)
	return message(nil).text(1, tag).bytes(5, histo)
}

// markdown is a value of the text plugin: a vector of one string.
func markdown(tag, text string) message {
	const stringType = 7
	shape := message(nil).bytes(2, message(nil).varint(1, 1)) // one dimension, of size 1
	tensor := message(nil).varint(1, stringType).bytes(2, shape).text(8, text)
	return pluginValue(tag, "text", nil, tensor)
}

// pluginValue is a tensor that belongs to a plugin, with the plugin's own content.
func pluginValue(tag, plugin string, content, tensor message) message {
	const tensorClass = 2
	data := message(nil).text(1, plugin)
	if content != nil {
		data = data.bytes(2, content)
	}
	metadata := message(nil).bytes(1, data).varint(4, tensorClass)
	return message(nil).text(1, tag).bytes(9, metadata).bytes(8, tensor)
}

// hparams is a value of the hparams plugin. Everything is in the content; the tensor,
// a scalar 0, is there because readers drop values without one.
func hparams(tag string, field protowire.Number, info message) message {
	const floatType = 1
	tensor := message(nil).varint(1, floatType).bytes(2, nil).float(5, 0)
	return pluginValue(tag, "hparams", message(nil).bytes(field, info), tensor)
}

// sessionStart tells the settings of a run; values are strings, numbers and bools.
func sessionStart(settings map[string]any, at time.Time) message {
	var info message
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		info = info.bytes(1, message(nil).text(1, key).bytes(2, structValue(settings[key])))
	}
	return hparams("_hparams_/session_start_info", 3, info.double(5, float64(at.UnixNano())/1e9))
}

// sessionEnd tells how a run ended.
func sessionEnd(success bool, at time.Time) message {
	status := int64(2)
	if success {
		status = 1
	}
	info := message(nil).varint(1, status).double(2, float64(at.UnixNano())/1e9)
	return hparams("_hparams_/session_end_info", 4, info)
}

// structValue is a google.protobuf.Value.
func structValue(v any) message {
	switch v := v.(type) {
	case float64:
		return message(nil).double(2, v)
	case int:
		return message(nil).double(2, float64(v))
	case bool:
		return message(nil).varint(4, int64(map[bool]int{true: 1}[v]))
	case string:
		return message(nil).text(3, v)
	}
	panic("BUG: a flat setting is a string, number or bool")
}
