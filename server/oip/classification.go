package oip

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
)

// Classify is the classification extension: it makes of an FP32 tensor [N, classes] a BYTES tensor [N, k] whose elements
// are "<value>:<index>:<label>", the largest value first, equal ones by index, what is no number last. More classes than there
// are means all.
func Classify(t Tensor, k int, labels []string) Tensor {
	classes := len(labels)
	k = min(k, classes)
	rows := 0
	if classes > 0 {
		rows = len(t.Raw) / (4 * classes)
	}
	out := Tensor{Name: t.Name, Datatype: Bytes, Shape: []int64{int64(rows), int64(k)}, Elements: make([][]byte, 0, rows*k)}
	values, order := make([]float32, classes), make([]int, 0, classes)
	const length = 32 // of most elements
	text := make([]byte, 0, rows*k*length)
	for row := range rows {
		for c := range values {
			values[c] = math.Float32frombits(binary.LittleEndian.Uint32(t.Raw[4*(row*classes+c):]))
		}
		for _, c := range largest(order, values, k) {
			start := len(text)
			text = strconv.AppendFloat(text, float64(values[c]), 'f', 6, 32)
			text = append(text, ':')
			text = strconv.AppendInt(text, int64(c), 10)
			text = append(text, ':')
			text = append(text, labels[c]...)
			out.Elements = append(out.Elements, text[start:len(text):len(text)])
		}
	}
	return out
}

// largest returns the places of the k largest values in order, in the memory of room.
func largest(room []int, values []float32, k int) []int {
	before := func(a, b int) int { return cmp.Or(cmp.Compare(values[b], values[a]), cmp.Compare(a, b)) }
	const few = 32 // up to so many it is faster to keep them sorted than to sort all
	top := room[:0]
	for c := range values {
		if k > few {
			top = append(top, c)
			continue
		}
		if len(top) == k {
			if k == 0 || before(c, top[k-1]) > 0 {
				continue
			}
			top = top[:k-1]
		}
		at, _ := slices.BinarySearchFunc(top, c, before)
		top = slices.Insert(top, at, c)
	}
	if k > few {
		slices.SortFunc(top, before)
	}
	return top[:k]
}
