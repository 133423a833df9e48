package pickle

import (
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func unpickle(code string) (any, error) {
	r := Reader{Call: func(f Global, args Tuple) (any, error) {
		if f == (Global{"collections", "OrderedDict"}) && len(args) == 0 {
			return &Dict{}, nil
		}
		return nil, ErrUnknown
	}}
	v, _, err := r.Read([]byte(code))
	return v, err
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
	f("I-12\n", int64(-12))
	f("I01\n", true)
	f("L7L\n", int64(7))
	f("F-0.5\n", -0.5)
	f("S'hi'\n", "hi")
	f("Vhi\n", "hi")
	f("T\x02\x00\x00\x00\xff\x00", "\xff\x00")
	f("U\x02hi", "hi")
	f("B\x02\x00\x00\x00hi", Bytes("hi"))
	f("C\x02hi", Bytes("hi"))
	f("\x8e\x02\x00\x00\x00\x00\x00\x00\x00hi", Bytes("hi"))
	f("\x96\x02\x00\x00\x00\x00\x00\x00\x00hi", Bytes("hi"))
	f("c_codecs\nencode\nX\x03\x00\x00\x00a\xc3\xbfX\x06\x00\x00\x00latin1\x86R", Bytes("a\xff"))
	f("\x8f(K\x01\x90", &Set{[]any{int64(1)}})
	f("(K\x01\x91", &Set{[]any{int64(1)}})
	f("Np0\ng0\n\x86", Tuple{nil, nil})
	f("Nr\x09\x00\x00\x00\x94h\x01h\x09\x87", Tuple{nil, nil, nil})
	f("\x8b\x01\x00\x00\x00\xff", int64(-1))
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
	f("\x82\x01.")                                     // an extension of one machine
	f("K\x01Q.")                                       // something outside
	f("NK\x01a.")                                      // append to None
	f("K\x01)R.")                                      // call a number
	f("(o.")                                           // an instance of nothing
	f("I1x\n.")                                        // no number
	f("S'a\\x00'\n.")                                  // escapes
	f("c" + string(make([]byte, 2000)) + "\nsystem\n") // a line without an end
}

func opaque(code string) (any, error) {
	r := Reader{Opaque: true}
	v, _, err := r.Read([]byte(code))
	return v, err
}

func TestOpaque(t *testing.T) {
	f := func(code string, want any) {
		t.Helper()
		got, err := opaque(code + ".")
		assert.NoError(t, err)
		assert.Equal(t, want, got)
	}
	class := Global{"omegaconf.base", "Config"}
	f("comegaconf.base\nConfig\n)\x81", &Object{Class: class, Args: Tuple{}})
	f("comegaconf.base\nConfig\nK\x01\x85R}K\x02NsbK\x03aK\x04K\x05s", &Object{
		Class: class, Args: Tuple{int64(1)}, State: &Dict{[]Item{{int64(2), nil}}},
		Items: []any{int64(3)}, Entries: []Item{{int64(4), int64(5)}},
	})
	f("comegaconf.base\nConfig\n)}\x92", &Object{Class: class, Args: Tuple{}})
	f("(K\x01iomegaconf.base\nConfig\n", &Object{Class: class, Args: Tuple{int64(1)}})
	f("(comegaconf.base\nConfig\nK\x01o", &Object{Class: class, Args: Tuple{int64(1)}})
	f("comegaconf.base\nConfig\n)R)R", &Object{Class: Global{"", "a omegaconf.base.Config"}, Args: Tuple{}})
	f("}K\x01\x85Ns", &Dict{[]Item{{Tuple{int64(1)}, nil}}})
	f("\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01", new(big.Int).Lsh(big.NewInt(1), 64))
	f("\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\xff", int64(-1))
}

// What Python wrote in each protocol says the same.
func TestReadWhatPythonWrote(t *testing.T) {
	for protocol := range 6 {
		code, err := os.ReadFile(fmt.Sprintf("testdata/protocol%d.pkl", protocol))
		assert.NoError(t, err)
		r := Reader{Opaque: true}
		v, n, err := r.Read(code)
		assert.NoError(t, err, "protocol %d", protocol)
		assert.Equal(t, len(code), n)
		d := v.(*Dict)
		config := d.Get("config").(*Object)
		if protocol < 2 { // an instance is a call of copyreg._reconstructor there
			assert.Equal(t, Global{"omegaconf.dictconfig", "DictConfig"}, config.Args[0])
		} else {
			assert.Equal(t, "omegaconf.dictconfig.DictConfig", config.Class.String())
		}
		assert.NotNil(t, config.State.(*Dict).Get("_content"))
		assert.Equal(t, 0.1, d.Get("args").(*Object).State.(*Dict).Get("lr"))
		assert.Equal(t, new(big.Int).Lsh(big.NewInt(1), 80).String(), fmt.Sprint(d.Get("big")))
		if protocol > 2 {
			assert.Equal(t, Bytes{0, 0xff}, d.Get("bytes"))
		}
		assert.Len(t, d.Get("sets"), 6)
	}
}

func TestHarmful(t *testing.T) {
	f := func(name, code string) {
		t.Helper()
		for _, read := range []func(string) (any, error){unpickle, opaque} {
			_, err := read(code)
			assert.ErrorContains(t, err, "would call "+name+" when Python opens it")
		}
	}
	f("os.system", "cos\nsystem\n(X\x02\x00\x00\x00lstR.")
	f("posix.system", "\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02ls\x85R.")
	f("builtins.eval", "cbuiltins\neval\n(X\x01\x00\x00\x001tR.")
	f("__builtin__.exec", "c__builtin__\nexec\n.")
	f("subprocess.Popen", "(X\x02\x00\x00\x00lsisubprocess\nPopen\n.")
	f("_operator.attrgetter", "c_operator\nattrgetter\n.")
	f("urllib.request.urlopen", "curllib.request\nurlopen\n.")
	f("torch.storage._load_from_bytes", "ctorch.storage\n_load_from_bytes\n.")
	for _, code := range []string{"cbuiltins\nset\n.", "cpathlib\nPosixPath\n.", "ctorch\nfloat32\n.", "cos\nPathLike\n.", "ccode.models\nNet\n.", "cbuiltins\ngetattr\n."} {
		_, err := opaque(code)
		assert.NoError(t, err)
	}
}

// TestBombs holds memory and time: programs that double what they have, and long ones.
func TestBombs(t *testing.T) {
	laughs := "]q\x00" + strings.Repeat("(h\x00h\x00h\x00h\x00h\x00h\x00h\x00h\x00tq\x00", 100) + "."
	v, err := opaque(laughs) // 8^100 leaves, a few kilobytes
	assert.NoError(t, err)
	assert.Len(t, v, 8)
	_, err = opaque("]q\x00h\x00a.") // itself in itself
	assert.NoError(t, err)
	_, err = opaque(strings.Repeat("N0", maxSteps/2+1) + "N.")
	assert.ErrorContains(t, err, "more than 4194304 instructions")
}

func FuzzRead(f *testing.F) {
	names, _ := filepath.Glob(filepath.Join("testdata", "*.pkl"))
	for _, name := range names {
		data, err := os.ReadFile(name)
		assert.NoError(f, err)
		f.Add(data)
	}
	f.Add([]byte("(K\x01iomegaconf.base\nConfig\n}K\x02Nsb."))
	f.Add([]byte("\x80\x02}q\x00(U\x04dataq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nK\x00\x85U\x01b\x87Ru."))
	f.Fuzz(func(t *testing.T, code []byte) {
		loose := Reader{Opaque: true}
		_, n, err := loose.Read(code)
		assert.LessOrEqual(t, n, len(code))
		if _, strict := unpickle(string(code)); strict == nil {
			assert.NoError(t, err, "plain values are read by every Reader")
		}
	})
}
