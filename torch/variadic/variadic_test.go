package variadic_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/torchlit/torchlit/torch/variadic"
)

type options = []map[string]interface{}

func TestLookup(t *testing.T) {
	f := func(opts options, key string, want interface{}, given bool) {
		t.Helper()
		got, ok := variadic.Lookup(opts, key)
		assert.Equal(t, want, got)
		assert.Equal(t, given, ok)
		assert.Equal(t, given, variadic.Has(opts, key))
		assert.Equal(t, want, variadic.Get(opts, key))
	}
	opts := options{{"dim": 1, "keepDim": false, "weight": nil}}
	f(opts, "dim", 1, true)
	f(opts, "keepDim", false, true)
	f(opts, "weight", nil, true)
	f(opts, "Dim", nil, false)
	f(options{}, "dim", nil, false)
	f(options{nil}, "dim", nil, false)
	f(nil, "dim", nil, false)
	f(options{{}, {"dim": 1}}, "dim", nil, false) // only the first map counts
}

func TestGetDefault(t *testing.T) {
	f := func(opts options, want interface{}) {
		t.Helper()
		assert.Equal(t, want, variadic.Get(opts, "dim", 7))
	}
	f(options{{"dim": 1}}, 1)
	f(options{{"dim": nil}}, nil)
	f(options{{}}, 7)
	f(options{}, 7)
	f(nil, 7)
}

func ExampleGet() {
	sum := func(opts ...map[string]interface{}) {
		dim := variadic.Get(opts, "dim", -1).(int)
		keep := variadic.Get(opts, "keepDim", false).(bool)
		fmt.Println(dim, keep)
	}
	sum()
	sum(map[string]interface{}{"dim": 1, "keepDim": true})
	// Output:
	// -1 false
	// 1 true
}
