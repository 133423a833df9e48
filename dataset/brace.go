package dataset

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxShards bounds what a pattern may stand for: a typing mistake should not fill
// the memory.
const maxShards = 1 << 20

// isShardPattern tells a pattern, an address or a tar file from a folder.
func isShardPattern(path string) bool {
	if strings.Contains(path, "::") || isRemote(path) || strings.HasPrefix(path, "pipe:") {
		return true
	}
	return strings.HasSuffix(path, ".tar") && (strings.ContainsAny(path, "{*") || isFile(path))
}

func isRemote(path string) bool {
	return strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://")
}

// ShardPaths returns the shards that a pattern stands for, in order: paths or
// addresses with the shell's braces ({000000..000127}, {a,b}), separated by "::";
// paths may have the wildcards of filepath.Match; a folder stands for its .tar
// files, sorted by name.
func ShardPaths(pattern string) ([]string, error) {
	var paths []string
	for part := range strings.SplitSeq(pattern, "::") {
		names, err := braces(part)
		if err != nil {
			return nil, fmt.Errorf("cannot expand shard pattern %q: %w", pattern, err)
		}
		for _, name := range names {
			found, err := shardsAt(name)
			if err != nil {
				return nil, err
			}
			if paths = append(paths, found...); len(paths) > maxShards {
				return nil, fmt.Errorf("cannot expand shard pattern %q: it stands for more than %d shards", pattern, maxShards)
			}
		}
	}
	return paths, nil
}

func shardsAt(name string) ([]string, error) {
	if isRemote(name) {
		if _, err := url.Parse(name); err != nil {
			return nil, fmt.Errorf("cannot use shard address: %w", err)
		}
		return []string{name}, nil
	}
	if scheme, _, ok := strings.Cut(name, "://"); ok {
		return nil, fmt.Errorf("cannot open shard %q: %s:// addresses are not read; copy the shards to a disk, or give https:// addresses", name, scheme)
	}
	if strings.HasPrefix(name, "pipe:") {
		return nil, fmt.Errorf("cannot open shard %q: commands are not run; give paths or https:// addresses", name)
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		found, err := shardsIn(name)
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("cannot open shards in %q: %w: it has no .tar files", name, ErrNoData)
		}
		return found, err
	}
	if !strings.ContainsAny(name, "*?[") {
		return []string{name}, nil
	}
	found, err := filepath.Glob(name) // sorted
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%w: no file has such a name", ErrNoData)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot expand shard pattern %q: %w", name, err)
	}
	return found, nil
}

// shardsIn returns the shards in a folder, sorted by name; compressed ones too, so
// that opening them says what to do about it.
func shardsIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot list data set %q: %w", dir, err)
	}
	var paths []string
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") || e.IsDir() {
			continue
		}
		if strings.HasSuffix(name, ".tar") || strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".tgz") {
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	return paths, nil
}

// braces expands the shell's braces; what is in none is as it was.
func braces(s string) ([]string, error) {
	open := strings.IndexByte(s, '{')
	if open < 0 {
		return []string{s}, nil
	}
	end := closing(s, open)
	if end < 0 {
		return nil, fmt.Errorf("%q has a brace that is not closed", s)
	}
	choices, err := alternatives(s[open+1 : end])
	if err != nil {
		return nil, err
	}
	tails, err := braces(s[end+1:])
	if err != nil {
		return nil, err
	}
	if len(choices) > maxShards/len(tails) {
		return nil, fmt.Errorf("it stands for more than %d names", maxShards)
	}
	out := make([]string, 0, len(choices)*len(tails))
	for _, c := range choices {
		for _, tail := range tails {
			out = append(out, s[:open]+c+tail)
		}
	}
	return out, nil
}

// closing returns the place of the brace that closes the one at open, or -1.
func closing(s string, open int) int {
	depth := 0
	for i := open; i < len(s); i++ {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// alternatives returns what the inside of a pair of braces stands for.
func alternatives(inside string) ([]string, error) {
	if from, to, ok := strings.Cut(inside, ".."); ok && !strings.ContainsAny(inside, ",{}") {
		return numbers(from, to)
	}
	var out []string
	depth, start := 0, 0
	add := func(part string) error {
		names, err := braces(part)
		if out = append(out, names...); err == nil && len(out) > maxShards {
			err = fmt.Errorf("it stands for more than %d names", maxShards)
		}
		return err
	}
	for i := range len(inside) {
		switch inside[i] {
		case '{':
			depth++
		case '}':
			depth--
		case ',':
			if depth == 0 {
				if err := add(inside[start:i]); err != nil {
					return nil, err
				}
				start = i + 1
			}
		}
	}
	return out, add(inside[start:])
}

// numbers counts from one number to another, up or down, with as many digits as
// the longer one has if either begins with a 0.
func numbers(from, to string) ([]string, error) {
	a, err1 := strconv.ParseUint(from, 10, 31)
	b, err2 := strconv.ParseUint(to, 10, 31)
	if err1 != nil || err2 != nil {
		return nil, fmt.Errorf("{%s..%s} does not count from one number to another", from, to)
	}
	if max(a, b)-min(a, b) >= maxShards {
		return nil, fmt.Errorf("{%s..%s} stands for more than %d names", from, to, maxShards)
	}
	width := 0
	if len(from) > 1 && from[0] == '0' || len(to) > 1 && to[0] == '0' {
		width = max(len(from), len(to))
	}
	var out []string
	for n := a; ; {
		out = append(out, fmt.Sprintf("%0*d", width, n))
		switch {
		case n < b:
			n++
		case n > b:
			n--
		default:
			return out, nil
		}
	}
}
