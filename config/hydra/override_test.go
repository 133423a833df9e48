package hydra

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/config/omegaconf"
)

func TestParseOverride(t *testing.T) {
	o, err := ParseOverride("+model@teacher.net=resnet34")
	require.NoError(t, err)
	assert.Equal(t, &Override{
		Op: Add, Key: "model", Package: "teacher.net", HasPkg: true,
		Value: "resnet34", Line: "+model@teacher.net=resnet34",
	}, o)
	assert.Equal(t, "+model@teacher.net", o.KeyElement())

	o, err = ParseOverride(`a.b={x:[1,2.5,null,true,'q s'],y:${z}}`)
	require.NoError(t, err)
	assert.Equal(t, omegaconf.Dict{
		{Key: "x", Value: []any{int64(1), 2.5, nil, true, Quoted{"q s", '\''}}},
		{Key: "y", Value: "${z}"},
	}, o.Value)
	assert.False(t, o.IsSweep())
	assert.False(t, o.IsHydra())

	o, err = ParseOverride("hydra.run.dir=out")
	require.NoError(t, err)
	assert.True(t, o.IsHydra())
	assert.Equal(t, "out", o.Text())
}

// An error says where the override stops making sense, and what to do.
func TestParseOverrideErrors(t *testing.T) {
	f := func(line, want string) {
		t.Helper()
		_, err := ParseOverride(line)
		require.Error(t, err)
		assert.Contains(t, err.Error(), "cannot read override")
		assert.Contains(t, err.Error(), want)
	}
	f("optim.lr", "it is not of the form key=value")
	f("a=b=c", `"=" is not expected there; quote the value to make it text`)
	f("a=ä", `"ä" is not expected there`)
	f("a=[1,2", "it ends too early")
	f("a='b", "is not expected there")
	f("a=rang(1,2)", `there is no function "rang"; there are bool, choice`)
	f("a=range(1,b)", "cannot evaluate range(): stop must be a number")
	f("a=int(x)", `cannot evaluate int(): "x" is not a whole number`)
	f("a=sort(1,b)", "cannot be put in order")
	f("a="+strings.Repeat("[", 1000), "it is nested too deep")
}

// FuzzParseOverride: what an override is written as reads back as the same.
func FuzzParseOverride(f *testing.F) {
	for _, line := range []string{
		"a=1", "+a.b@c=x", "~a", "++a={b:[1,'c d'],e:null}", `a=\,\\`, `a='it\'s\\'`, "a=${b.c}", "a=1,2",
		"a=range(1,10,step=2)", "a=sort(choice(b,'a'),reverse=true)", "a=shuffle(tag(x,1,2))", "a=int({b:1.5})",
		"a=glob([*,a?],exclude=b)", "a=interval(0,1e3)", "a= x : y ", "a=-1_0.5e+3", "$a.$b=nan", "a/b@=", "a=\\",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		o, err := ParseOverride(line)
		if err != nil {
			return
		}
		if o.IsSweep() {
			if _, err := o.spread(func(string) []string { return []string{"a", "b"} }); err != nil {
				return
			}
			return
		}
		text, err := format(o.Value)
		if err != nil || strings.Contains(line, "(") { // str(1) is the text 1, which reads as a number
			return
		}
		again, err := ParseOverride(o.KeyElement() + "=" + text)
		require.NoError(t, err, "%q from %q", text, line)
		assert.Equal(t, encode(o.plain()), encode(again.plain()), "%q from %q", text, line)
	})
}
