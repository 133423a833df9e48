package pickle

import (
	"fmt"
	"strings"
)

// harmful says why a name has no business in a file of data. Nothing here would call
// it; but whoever finds the file with Python at hand should know before opening it there.
func harmful(g Global) error {
	module, _, _ := strings.Cut(g.Module, ".")
	switch module {
	case "builtins", "__builtin__":
		switch g.Name {
		case "eval", "exec", "execfile", "compile", "open", "file", "input", "raw_input", "__import__",
			"breakpoint", "globals", "locals", "apply", "setattr", "delattr":
		default:
			return nil
		}
	case "os", "posix", "nt", "posixpath", "ntpath", "sys", "subprocess", "commands", "popen2", "pty",
		"shutil", "socket", "socketserver", "ssl", "urllib", "urllib2", "http", "httplib", "ftplib", "smtplib", "telnetlib",
		"requests", "httpx", "aiohttp", "webbrowser",
		"importlib", "imp", "pkgutil", "runpy", "zipimport", "code", "codeop", "bdb", "pdb", "cProfile", "profile", "trace", "timeit",
		"ctypes", "_ctypes", "cffi", "signal", "threading", "_thread", "multiprocessing", "asyncio", "concurrent",
		"pickle", "_pickle", "cPickle", "marshal", "shelve", "pip", "ensurepip", "venv",
		"distutils", "setuptools", "doctest", "pydoc", "idlelib", "lib2to3":
		if g == (Global{"os", "PathLike"}) {
			return nil
		}
	case "types":
		if g.Name != "CodeType" && g.Name != "FunctionType" {
			return nil
		}
	case "operator", "_operator":
		if g.Name != "methodcaller" && g.Name != "attrgetter" {
			return nil
		}
	case "torch":
		switch g.String() {
		case "torch.load", "torch.jit.load", "torch.hub.load", "torch.serialization.load", "torch.storage._load_from_bytes":
		default:
			return nil
		}
	default:
		return nil
	}
	return fmt.Errorf("the file would call %s when Python opens it: that is how a file attacks whoever opens it; "+
		"it was not opened, delete it or ask where it comes from", g)
}
