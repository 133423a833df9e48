package oip

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
)

// Classify is the classification extension: it makes of an FP32 tensor [N, classes] a BYTES tensor [N, k] whose elements
// are "<value>:<index>:<label>", the largest value first, equal ones by index. More classes than there are means all.
func Classify(t Tensor, k int, labels []string) Tensor {
	classes := len(labels)
	k = min(k, classes)
	rows := 0
	if classes > 0 {
		rows = len(t.Raw) / (4 * classes)
	}
	out := Tensor{Name: t.Name, Datatype: Bytes, Shape: []int64{int64(rows), int64(k)}, Elements: make([][]byte, 0, rows*k)}
	order := make([]int, classes)
	values := make([]float32, classes)
	for row := range rows {
		for c := range classes {
			order[c] = c
			values[c] = math.Float32frombits(binary.LittleEndian.Uint32(t.Raw[4*(row*classes+c):]))
		}
		slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(values[b], values[a]), cmp.Compare(a, b)) })
		for _, c := range order[:k] {
			e := strconv.AppendFloat(nil, float64(values[c]), 'f', 6, 32)
			e = append(e, ':')
			e = strconv.AppendInt(e, int64(c), 10)
			e = append(e, ':')
			out.Elements = append(out.Elements, append(e, labels[c]...))
		}
	}
	return out
}
