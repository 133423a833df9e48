package modeldir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tree makes empty files and, for paths that end with a slash, folders. "M"
// at the end of a path stands for a model's configuration.
func tree(t *testing.T, paths ...string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "models")
	require.NoError(t, os.Mkdir(root, 0o700))
	for _, p := range paths {
		if strings.HasSuffix(p, "/") {
			require.NoError(t, os.MkdirAll(filepath.Join(root, p), 0o700))
			continue
		}
		if strings.HasSuffix(p, "M") {
			p = strings.TrimSuffix(p, "M") + ConfigFile
		}
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, p)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(root, p), nil, 0o600))
	}
	return root
}

// show is "name@version=dir" with dir relative to root.
func show(t *testing.T, root string, list []Entry) []string {
	t.Helper()
	got := []string{}
	for _, e := range list {
		rel, err := filepath.Rel(root, e.Dir)
		require.NoError(t, err)
		got = append(got, e.Name+"@"+e.Version+"="+filepath.ToSlash(rel))
	}
	return got
}

func TestList(t *testing.T) {
	f := func(root string, want ...string) {
		t.Helper()
		list, err := List(root)
		require.NoError(t, err)
		require.Equal(t, want, show(t, root, list))
	}
	f(tree(t, "M"), "models@1=.")
	f(tree(t, "1/M", "2/M"), "models@1=1", "models@2=2")
	f(tree(t, "b/M", "a/10/M", "a/9/M", "a/2/M", "README.md", ".git/x"),
		"a@2=a/2", "a@9=a/9", "a@10=a/10", "b@1=b")
	f(tree(t, "a/1/M", "a/.2.tmp-0123/M", ".b.tmp-0123/1/M", "lost+found/", "a/README.md", "a/..data/M"), "a@1=a/1")
	f(tree(t, "a/1/model.safetensors", "b/model.pt", "c/x.ckpt", "d/x.ckpt", "d/y.ckpt"), "a@1=a/1", "b@1=b", "c@1=c", "d@1=d")
	f(tree(t, "a/18446744073709551/M", "a/3/M"), "a@3=a/3", "a@18446744073709551=a/18446744073709551")

	linked := tree(t, "a/")
	require.NoError(t, os.Symlink(tree(t, "M"), filepath.Join(linked, "a", "1")))
	f(linked, "a@1=a/1")
}

func TestListRelativeRoot(t *testing.T) {
	t.Chdir(tree(t, "M"))
	list, err := List(".")
	require.NoError(t, err)
	require.Equal(t, []Entry{{Name: "models", Version: "1", Dir: "."}}, list)
}

func TestListRefuses(t *testing.T) {
	f := func(root, want string, good ...string) {
		t.Helper()
		list, err := List(root)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), root) {
			t.Errorf("got error %v; want %q and the path", err, want)
		}
		require.Equal(t, append([]string{}, good...), show(t, root, list))
	}
	f(tree(t), "it has no folders; put a model folder at")
	f(tree(t, "README.md"), "it has no folders")
	f(filepath.Join(tree(t), "absent"), "no such file")
	f(tree(t, "a/"), "no version folders")
	f(tree(t, "a/v1/M"), `"v1" is no version`)
	f(tree(t, "a/01/M"), `"01" is no version`)
	f(tree(t, "a/0/M"), `"0" is no version`)
	f(tree(t, "a/1/"), "neither config.json nor weights")
	f(tree(t, "a/M", "a/2/M"), `it is a model folder and has one in "2"`)
	f(tree(t, "my model/1/M"), `"my model" is no model name`)
	f(tree(t, "-x/M"), "is no model name")

	// What is right is listed beside the error.
	f(tree(t, "a/1/M", "a/x/", "b c/M", "d/M"), `"x" is no version`, "a@1=a/1", "d@1=d")

	dangling := tree(t, "a/1/M")
	require.NoError(t, os.Symlink("nowhere", filepath.Join(dangling, "a", "2")))
	f(dangling, "no such file")
}

// TestListAs: a model's folder may have a name that is not its own, as where somebody else mounts it.
func TestListAs(t *testing.T) {
	f := func(root string, want ...string) {
		t.Helper()
		list, err := ListAs(root, "cats")
		require.NoError(t, err)
		require.Equal(t, want, show(t, root, list))
	}
	f(tree(t, "M"), "cats@1=.")
	f(tree(t, "3/M", "20/M", "README.md", ".5/M"), "cats@3=3", "cats@20=20")
	f(tree(t, "1/model.safetensors"), "cats@1=1")
	odd := filepath.Join(tree(t, "my model/1/M"), "my model") // List could not serve it
	f(odd, "cats@1=1")

	g := func(root, name, want string) {
		t.Helper()
		list, err := ListAs(root, name)
		require.Empty(t, list)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, root)
	}
	g(tree(t, "a/1/M"), "cats", "neither a model folder nor has one in a version folder")
	g(tree(t), "cats", "neither a model folder")
	g(tree(t, "1/"), "cats", "neither a model folder")
	g(filepath.Join(tree(t), "absent"), "cats", "no such file")
	for _, name := range []string{"", "my cats", "-x", "../x", strings.Repeat("x", 129)} {
		g(tree(t, "M"), name, "is no model name")
	}

	list, err := ListAs(tree(t, "1/M", "x/M"), "cats") // what is right is listed beside the error
	require.ErrorContains(t, err, `"x" is no version`)
	require.Len(t, list, 1)
}
