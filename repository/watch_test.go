package repository

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/modeldir"
)

// elapse lets fake time pass, and everything happen that is due.
func elapse(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// A version that is copied file by file for longer than the settling time is loaded once, when it is whole.
func TestCopyIsNotLoadedHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.write("cats", "1", "old")
		r := f.open(nil)
		f.loaded()
		dir := filepath.Join(f.root, "cats", "2")
		require.NoError(t, os.Mkdir(dir, 0o755))
		file, err := os.Create(filepath.Join(dir, "model.safetensors"))
		require.NoError(t, err)
		for range 10 {
			_, _ = file.WriteString("x")
			elapse(1500 * time.Millisecond)
			assert.Equal(t, "cats/1=old", f.serving())
			assert.Empty(t, f.loaded())
		}
		assert.Contains(t, index(r), "cats/2 unavailable: its folder is being written")
		require.NoError(t, file.Close())
		require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte("{}"), 0o644))
		elapse(5 * time.Second)
		assert.Equal(t, "cats/2=xxxxxxxxxx", f.serving())
		assert.Equal(t, []string{"cats/2"}, f.loaded())
		assert.Equal(t, []string{"cats/1"}, f.noted(&f.gone))
		assert.Contains(t, index(r), "cats/1 unavailable: the version policy latest:1 does not choose it; cats/2 ready")
		f.close(r)
	})
}

// What is worse than what serves changes nothing but the index, and is not tried again until it changes.
func TestBadReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.write("cats", "1", "old")
		r := f.open(nil)
		f.loaded()
		f.write("cats", "1", "bad")
		elapse(time.Minute)
		assert.Equal(t, "cats/1=old", f.serving())
		assert.Equal(t, []string{"cats/1"}, f.loaded(), "it is tried once")
		assert.Equal(t, "cats/1 ready: the weights are bad", index(r))
		f.write("cats", "2", "bad too")
		elapse(time.Minute)
		assert.Equal(t, "cats/1=old", f.serving())
		assert.Equal(t, "cats/1 ready: the weights are bad; cats/2 unavailable: the weights are bad", index(r))
		f.write("cats", "1", "mended")
		elapse(time.Minute)
		assert.Equal(t, "cats/1=mended", f.serving())
		f.remove("cats", "1") // what is left is bad: the old one goes on
		elapse(time.Minute)
		assert.Equal(t, "cats/1=mended", f.serving())
		f.remove("cats", "2", "config.json") // incomplete
		f.remove("cats", "2", "model.safetensors")
		elapse(time.Minute)
		assert.Equal(t, "cats/1=mended", f.serving())
		f.write("cats", "2", "good")
		elapse(time.Minute)
		assert.Equal(t, "cats/2=good", f.serving())
		assert.Equal(t, "cats/2 ready", index(r))
		f.close(r)
	})
}

func TestFoldersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.write("cats", "1", "c")
		r := f.open(nil)
		f.write("dogs", "1", "d")
		elapse(5 * time.Second)
		assert.Equal(t, "cats/1=c dogs/1=d", f.serving())

		// Replaced by removing and copying: it never stops serving.
		f.remove("dogs", "1")
		elapse(1500 * time.Millisecond)
		assert.Equal(t, "cats/1=c dogs/1=d", f.serving())
		f.write("dogs", "1", "e")
		elapse(5 * time.Second)
		assert.Equal(t, "cats/1=c dogs/1=e", f.serving())
		assert.Empty(t, f.noted(&f.gone))

		f.remove("dogs")
		elapse(5 * time.Second)
		assert.Equal(t, "cats/1=c", f.serving())
		assert.Equal(t, []string{"dogs/1"}, f.noted(&f.gone))
		assert.Equal(t, "cats/1 ready", index(r))

		// A folder that vanishes as a whole is more likely a network's fault than a wish.
		require.NoError(t, os.Rename(f.root, f.root+".away"))
		elapse(time.Minute)
		assert.Equal(t, "cats/1=c", f.serving())
		assert.Len(t, f.noted(&f.worry), 1, "it is told once")
		require.NoError(t, os.Rename(f.root+".away", f.root))
		elapse(time.Minute)
		assert.Equal(t, "cats/1=c", f.serving())
		assert.Len(t, f.loaded(), 3)
		f.close(r)
	})
}

// A link that is turned to another folder is a change.
func TestLinkIsTurned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.write("cats", "1", "c")
		store := newFake(t)
		store.write("builds", "1", "same size")
		store.write("builds", "2", "size same")
		link := filepath.Join(f.root, "cats", "2")
		require.NoError(t, os.Symlink(filepath.Join(store.root, "builds", "1"), link))
		r := f.open(nil)
		assert.Equal(t, "cats/2=same size", f.serving())
		require.NoError(t, os.Symlink(filepath.Join(store.root, "builds", "2"), link+".next"))
		require.NoError(t, os.Rename(link+".next", link))
		elapse(5 * time.Second)
		assert.Equal(t, "cats/2=size same", f.serving())
		f.close(r)
	})
}

// A folder that changes while it is loaded is not served as a mixture.
func TestChangeWhileLoading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.loading = 10 * time.Second
		f.write("cats", "1", "old")
		r := f.open(nil)
		f.loaded()
		changes := 2
		f.onLoad = func(modeldir.Entry) {
			if changes--; changes >= 0 {
				f.write("cats", "1", "new, longer"[:9+changes])
			}
		}
		f.write("cats", "1", "new")
		elapse(2 * time.Minute)
		assert.Equal(t, "cats/1=new, long", f.serving())
		assert.Len(t, f.loaded(), 3)
		f.close(r)
	})
}

// A reload never lets memory hold more than the old and the new; other models do not wait for a slow one's last request.
func TestSlowModels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.loading, f.closing = time.Second, time.Hour
		f.write("cats", "1", "c")
		f.write("dogs", "1", "d")
		r := f.open(nil)
		f.write("cats", "1", "changed once")
		elapse(10 * time.Second)
		f.write("cats", "1", "changed")
		f.write("dogs", "1", "changed")
		elapse(10 * time.Second)
		assert.Equal(t, "cats/1=changed once dogs/1=changed", f.serving())
		elapse(2 * time.Hour)
		assert.Equal(t, "cats/1=changed dogs/1=changed", f.serving())
		assert.EqualValues(t, 3, f.most.Load())
		f.closing = 0
		f.close(r)
	})
}

// The system's notifications are heard, also those of folders that were removed and made anew.
func TestNotifications(t *testing.T) {
	f := newFake(t)
	f.write("cats", "1", "a")
	r := f.open(func(c *Config[*fakeModel]) { c.deaf, c.Interval, c.Settle = false, time.Hour, 30*time.Millisecond })
	for i, change := range []func(){
		func() { f.write("cats", "1", "bb") },
		func() { f.remove("cats", "1"); f.write("cats", "1", "bb") },
		func() { f.write("cats", "1", "bb") },
	} {
		change()
		require.Eventually(t, func() bool { return f.serving() == "cats/1=bb" }, 20*time.Second, 5*time.Millisecond, "%d %s", i, index(r))
		f.write("cats", "1", "a")
		require.Eventually(t, func() bool { return f.serving() == "cats/1=a" }, 20*time.Second, 5*time.Millisecond)
	}
	f.write("dogs", "4", "d")
	require.Eventually(t, func() bool { return f.serving() == "cats/1=a dogs/4=d" }, 20*time.Second, 5*time.Millisecond)
}
