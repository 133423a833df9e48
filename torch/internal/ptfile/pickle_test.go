package ptfile

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

func unpickle(code string) (any, error) {
	u := unpickler{
		code:    []byte(code),
		storage: func(Tuple) (any, error) { return nil, errors.New("no storages here") },
		call:    (&file{}).call,
	}
	return u.run()
}

func TestUnpickle(t *testing.T) {
	f := func(code string, want any) {
		t.Helper()
		got, err := unpickle(code + ".")
		assert.NoError(t, err)
		assert.Equal(t, want, got)
	}
	f("N", nil)
	f("\x88", true)
	f("K\xff", int64(255))
	f("M\xff\xff", int64(65535))
	f("J\xff\xff\xff\xff", int64(-1))
	f("\x8a\x00", int64(0))
	f("\x8a\x02\x00\xff", int64(-256))
	f("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", int64(1<<63-1))
	f("G\xbf\xe0\x00\x00\x00\x00\x00\x00", -0.5)
	f("X\x02\x00\x00\x00hi", "hi")
	f("\x8c\x02hi", "hi")
	f("\x8d\x02\x00\x00\x00\x00\x00\x00\x00hi", "hi")
	f("K\x01K\x02\x86", Tuple{int64(1), int64(2)})
	f("(K\x01K\x02t", Tuple{int64(1), int64(2)})
	f("](K\x01K\x02eNa", &List{[]any{int64(1), int64(2), nil}})
	f("(K\x01l", &List{[]any{int64(1)}})
	f("}K\x01Ns", &Dict{[]Item{{int64(1), nil}}})
	f("(K\x01Nd", &Dict{[]Item{{int64(1), nil}}})
	f("Nq\x00h\x00\x86", Tuple{nil, nil})
	f("N2\x86", Tuple{nil, nil})
	f("NN0", nil)
	f("ccollections\nOrderedDict\n)R", &Dict{})
}

func TestUnpickleRefusals(t *testing.T) {
	f := func(code string) {
		t.Helper()
		_, err := unpickle(code)
		assert.Error(t, err)
	}
	f("")                                              // no end
	f(".")                                             // nothing made
	f("K")                                             // cut
	f("X\xff\xff\xff\xffhi.")                          // longer than the file
	f("\x8d\xff\xff\xff\xff\xff\xff\xff\xffhi.")       // longer than any
	f("\x8a\xff" + string(make([]byte, 255)) + ".")    // 2040 bits
	f("t.")                                            // no mark
	f("h\x07.")                                        // not in the memo
	f("NNs.")                                          // no dictionary
	f("](K\x01u.")                                     // a list's items by key
	f("}(K\x01u.")                                     // a key without a value
	f("}]Ns.")                                         // a list as a key
	f("cos\nsystem\n(X\x02\x00\x00\x00lstR.")          // a function that is not ours
	f("ctorch._utils\n_rebuild_tensor_v2\n)R.")        // too few arguments
	f("\x80\x09N.")                                    // a version to come
	f("\x96\x00\x00\x00\x00\x00\x00\x00\x00.")         // a bytearray
	f("c" + string(make([]byte, 2000)) + "\nsystem\n") // a line without an end
}

func TestCheckOfTensors(t *testing.T) {
	f := func(ok bool, offset int64, sizes, strides []int64) {
		t.Helper()
		tensor := Tensor{DType: 6, Sizes: sizes, Strides: strides, Offset: offset, Storage: &Storage{Bytes: 24}}
		assert.Equal(t, ok, tensor.check() == nil)
	}
	f(true, 0, []int64{2, 3}, []int64{3, 1})
	f(true, 5, nil, nil)
	f(true, 0, []int64{1 << 40}, []int64{0})
	f(true, 100, []int64{0, 9}, []int64{9, 1})
	f(false, 1, []int64{2, 3}, []int64{3, 1})
	f(false, 6, nil, nil)
	f(false, -1, nil, nil)
	f(false, 0, []int64{2}, []int64{-1})
	f(false, 0, []int64{-2}, []int64{1})
	f(false, 0, []int64{2}, []int64{1, 1})
	f(false, 0, []int64{3}, []int64{1 << 62})
	f(false, 0, []int64{1 << 40, 1 << 40}, []int64{0, 0})
	f(false, 0, make([]int64, 17), make([]int64, 17))
}
