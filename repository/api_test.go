package repository

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLoadAndUnload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.write("cats", "1", "a")
		f.write("dogs", "1", "d")
		r := f.open(nil)
		ctx := t.Context()

		require.NoError(t, r.Unload(ctx, "cats"))
		assert.Equal(t, "dogs/1=d", f.serving())
		f.write("cats", "1", "b")
		elapse(time.Minute)
		assert.Equal(t, "dogs/1=d", f.serving(), "the folder does not bring back what a caller unloaded")
		assert.Equal(t, "cats/1 unavailable: it was unloaded; dogs/1 ready", index(r))
		require.NoError(t, r.Load(ctx, "cats", nil))
		assert.Equal(t, "cats/1=b dogs/1=d", f.serving())
		assert.Equal(t, []string{"cats/1", "dogs/1", "cats/1"}, f.loaded())

		require.NoError(t, r.Load(ctx, "cats", nil))
		assert.Equal(t, []string{"cats/1"}, f.loaded(), "a caller who asks for a load gets one")

		f.write("cats", "1", "bad")
		err := r.Load(ctx, "cats", nil)
		require.ErrorIs(t, err, ErrCannotLoad)
		require.EqualError(t, err, `cannot load model "cats" version 1: the weights are bad`)
		assert.Equal(t, "cats/1=b dogs/1=d", f.serving())

		require.ErrorIs(t, r.Load(ctx, "birds", nil), ErrUnknown)
		require.ErrorIs(t, r.Unload(ctx, "birds"), ErrUnknown)
		f.write("birds", "1", "not looked at before")
		require.NoError(t, r.Load(ctx, "birds", nil))
		assert.Equal(t, "birds/1=not looked at before cats/1=b dogs/1=d", f.serving())
		f.close(r)
	})
}

func TestLoadParameters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		for _, v := range []string{"1", "2", "3"} {
			f.write("cats", v, "c"+v)
		}
		r := f.open(nil)
		load := func(want string, parameters map[string]any) {
			t.Helper()
			require.NoError(t, r.Load(t.Context(), "cats", parameters))
			elapse(time.Minute)
			assert.Equal(t, want, f.serving())
		}
		load("cats/1=c1 cats/3=c3", map[string]any{"version": "1"})
		load("cats/1=c1 cats/2=c2 cats/3=c3", map[string]any{"version": int64(2)})
		load("cats/3=c3", nil)
		load("cats/1=c1 cats/2=c2", map[string]any{"config": `{"version_policy": {"specific": {"versions": [1, 2]}}, "max_batch_size": 8}`})
		load("cats/3=c3", nil)
		for _, bad := range []map[string]any{{"file:1/model.pt": "x"}, {"config": "{"}, {"config": 7}, {"nope": 1}, {"version": "1", "config": `{"version_policy": "all"}`}} {
			assert.ErrorIs(t, r.Load(t.Context(), "cats", bad), ErrParameter, bad)
		}
		assert.ErrorIs(t, r.Load(t.Context(), "cats", map[string]any{"version": "9"}), ErrUnknown)
		f.close(r)
	})
}

// The canary and the shadow are loaded beside what the policy chooses; when they are that no more, they count for it.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.write("cats", "1", "c1")
		f.write("cats", "2", "c2")
		r := f.open(func(c *Config[*fakeModel]) { c.Keep = map[string]Kept{"cats": {Side: []string{"2", "3"}}} })
		assert.Equal(t, "cats/1=c1 cats/2=c2", f.serving())
		f.write("cats", "3", "c3")
		elapse(time.Minute)
		assert.Equal(t, "cats/1=c1 cats/2=c2 cats/3=c3", f.serving())
		r.Keep("cats", Kept{Default: "1", Side: []string{"3"}})
		elapse(time.Second)
		assert.Equal(t, "cats/1=c1 cats/2=c2 cats/3=c3", f.serving())
		r.Keep("cats", Kept{})
		elapse(time.Second)
		assert.Equal(t, "cats/3=c3", f.serving())
		f.close(r)
	})
}

// Unload waits for the last request, and its caller may leave before.
func TestUnloadWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.closing = time.Minute
		f.write("cats", "1", "a")
		f.write("dogs", "1", "a")
		r := f.open(nil)
		start := time.Now()
		require.NoError(t, r.Unload(t.Context(), "cats"))
		assert.Equal(t, time.Minute, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorContains(t, r.Unload(ctx, "dogs"), "still answering what it accepted")
		assert.Equal(t, "cats/1 unavailable: it was unloaded; dogs/1 unloading", index(r))
		require.ErrorContains(t, r.Load(ctx, "dogs", nil), "others are changing it")
		require.NoError(t, r.Load(t.Context(), "dogs", nil), "it waits its turn")
		assert.Equal(t, "dogs/1=a", f.serving())
		f.close(r)
	})
}
