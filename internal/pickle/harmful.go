package pickle

import (
	"fmt"
	"slices"
	"strings"
)

// The modules of Python, and of tools that are everywhere, whose functions run programs,
// load code, or reach files and networks. A module of the first list is meant alone: a
// project of the user's may be called so, and have modules below it.
var (
	harmfulModules = []string{
		"os", "os.path", "posix", "nt", "posixpath", "ntpath", "sys", "subprocess", "commands", "popen2", "pty",
		"shutil", "socket", "socketserver", "ssl", "ftplib", "smtplib", "telnetlib", "webbrowser", "httplib", "urllib2",
		"imp", "pkgutil", "runpy", "zipimport", "code", "codeop", "bdb", "pdb", "cProfile", "profile", "trace", "timeit",
		"signal", "threading", "_thread", "pickle", "_pickle", "cPickle", "marshal", "shelve", "doctest", "_ctypes", "cffi",
	}
	harmfulPackages = []string{
		"importlib", "urllib", "http", "requests", "httpx", "aiohttp", "ctypes", "multiprocessing", "asyncio", "concurrent",
		"pip", "ensurepip", "venv", "distutils", "setuptools", "pydoc", "idlelib", "lib2to3",
	}
	harmfulNames = []string{
		"builtins.eval", "builtins.exec", "builtins.execfile", "builtins.compile", "builtins.open", "builtins.file",
		"builtins.input", "builtins.raw_input", "builtins.__import__", "builtins.breakpoint", "builtins.globals",
		"builtins.locals", "builtins.apply", "builtins.setattr", "builtins.delattr",
		"operator.methodcaller", "operator.attrgetter", "types.CodeType", "types.FunctionType",
		"torch.load", "torch.jit.load", "torch.hub.load", "torch.serialization.load", "torch.storage._load_from_bytes",
	}
)

// harmful says why a name has no business in a file of data. Nothing here would call
// it; but whoever finds the file with Python at hand should know before opening it there.
func harmful(g Global) error {
	plain := strings.Replace(strings.TrimPrefix(g.String(), "_"), "_builtin__.", "builtins.", 1) // Python 2, and C versions
	root, _, _ := strings.Cut(g.Module, ".")
	switch {
	case g == (Global{"os", "PathLike"}):
		return nil
	case slices.Contains(harmfulModules, g.Module), slices.Contains(harmfulPackages, root), slices.Contains(harmfulNames, plain):
	default:
		return nil
	}
	return fmt.Errorf("the file would call %s when Python opens it: that is how a file attacks whoever opens it; "+
		"it was not opened, delete it or ask where it comes from", g)
}
