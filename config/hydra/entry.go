package hydra

import (
	"errors"
	"fmt"
	"strings"

	"github.com/torchlit/torchlit/config/omegaconf"
)

// entry is one element of a defaults list. It names a config by its path
// ("model/resnet18"), or a group and the option chosen ("model: resnet18").
//
// A config's path is relative to the folder of the config that lists it, and its
// package (where in the tree it goes) to that one's package, unless they begin with
// a slash or with _global_.
type entry struct {
	group   string // "" when path is given
	path    string
	option  any // of a group: nil, string, or []string for several
	pkg     *string
	header  *string // package of the config's own "# @package" line
	primary bool    // the config that a run begins with
	virtual bool    // the root, which holds hydra's own config and the primary one

	optional, override bool
	appended           bool // by +group=option
	chosen             bool // its option is the command line's
	deleted            bool

	// Of the config that lists it.
	parentDir, parentPkg string
}

func (e *entry) isGroup() bool { return e.group != "" }

func (e *entry) isSelf() bool {
	if e.isGroup() {
		return e.option == "_self_"
	}
	return e.path == "_self_"
}

// place tells e which config lists it.
func (e *entry) place(dir, pkg string) {
	e.parentDir, e.parentPkg = dir, pkg
	if e.pkg != nil && strings.Contains(*e.pkg, "_group_") {
		resolved := "_global_." + strings.ReplaceAll(*e.pkg, "_group_", e.defaultPackage())
		e.pkg = &resolved
	}
}

// groupPath is the folder of the config that e stands for.
func (e *entry) groupPath() string {
	if e.isGroup() {
		return e.under(e.group)
	}
	dir, _ := splitLast(strings.TrimPrefix(e.path, "/"))
	if strings.HasPrefix(e.path, "/") {
		return dir
	}
	return join(e.parentDir, dir)
}

// under is p below the parent's folder, if p is relative.
func (e *entry) under(p string) string {
	if absolute, ok := strings.CutPrefix(p, "/"); ok {
		return absolute
	}
	return join(e.parentDir, p)
}

func join(dir, p string) string {
	if dir == "" || p == "" {
		return dir + p
	}
	return dir + "/" + p
}

func splitLast(p string) (dir, name string) {
	i := strings.LastIndexByte(p, '/')
	return p[:max(i, 0)], p[i+1:]
}

// name is the option or the config's name; none for null and for several options.
func (e *entry) name() (string, bool) {
	if e.isGroup() {
		s, ok := e.option.(string)
		return s, ok
	}
	_, name := splitLast(e.path)
	return name, true
}

func (e *entry) configPath() string {
	if !e.isGroup() {
		return e.under(e.path)
	}
	name, ok := e.name()
	if !ok {
		name = "None"
	}
	return e.groupPath() + "/" + name
}

func (e *entry) defaultPackage() string { return strings.ReplaceAll(e.groupPath(), "/", ".") }

// setHeader takes the package of the config's header, which is always absolute.
func (e *entry) setHeader(pkg string) {
	if pkg != "_global_" && !strings.HasPrefix(pkg, "_global_.") {
		pkg = strings.TrimSuffix("_global_."+pkg, ".")
	}
	e.header = &pkg
}

// finalPackage is where in the tree the config goes; with its header or without.
func (e *entry) finalPackage(withHeader bool) string {
	own := ""
	switch {
	case e.pkg != nil:
		own = *e.pkg
	case e.header != nil && withHeader:
		own = *e.header
	case e.isGroup():
		own = strings.ReplaceAll(strings.TrimPrefix(e.group, "/"), "/", ".")
	default:
		dir, _ := splitLast(strings.TrimPrefix(e.path, "/"))
		own = strings.ReplaceAll(dir, "/", ".")
	}
	full := own
	switch {
	case e.parentPkg != "" && own == "":
		full = e.parentPkg
	case e.parentPkg != "":
		full = e.parentPkg + "." + own
	}
	const global = "_global_"
	if i := strings.LastIndex(full, global); i >= 0 {
		return full[min(i+len(global)+1, len(full)):]
	}
	return full
}

// overrideKey is how an override names e: its group, with the package if that is not
// the group's own.
func (e *entry) overrideKey() string {
	key, pkg := e.groupPath(), e.finalPackage(false)
	if pkg == e.defaultPackage() {
		return key
	}
	if pkg == "" {
		pkg = "_global_"
	}
	return key + "@" + pkg
}

func (e *entry) isMissing() bool {
	name, ok := e.name()
	return ok && name == omegaconf.Missing
}

func (e *entry) isInterpolation() bool {
	if e.isGroup() {
		name, _ := e.name()
		return strings.Contains(name, "${")
	}
	return strings.Contains(e.configPath(), "${")
}

// String shows e as a defaults list does.
func (e *entry) String() string {
	switch {
	case e.virtual:
		return "<root>"
	case !e.isGroup():
		return e.configPath()
	case e.option == nil:
		return e.overrideKey() + ": null"
	}
	return fmt.Sprintf("%s: %v", e.overrideKey(), e.option)
}

func parseEntries(list *omegaconf.Node) ([]entry, error) {
	var entries []entry
	for _, item := range list.Items() {
		e, err := parseEntry(item)
		if err != nil {
			return nil, fmt.Errorf("in its defaults list: %w", err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func parseEntry(item *omegaconf.Node) (entry, error) {
	if text, ok := item.Text(); ok {
		e := entry{}
		e.path, e.pkg = splitPackage(text)
		if e.path == "_self_" && e.pkg != nil {
			return e, errors.New("_self_ takes no package")
		}
		return e, nil
	}
	if item.Kind() != omegaconf.Map || item.Len() != 1 {
		return entry{}, errors.New("each item must be a config's name or group: option")
	}
	key, ok := item.Keys()[0].(string)
	if !ok {
		return entry{}, fmt.Errorf("the group %v must be text", item.Keys()[0])
	}
	e := entry{}
	name, pkg := splitPackage(key)
	words := strings.Split(name, " ")
	e.group, e.pkg = words[len(words)-1], pkg
	for _, w := range words[:len(words)-1] {
		if w == "optional" {
			e.optional = true
		} else if w == "override" {
			e.override = true
		} else {
			break
		}
	}
	if e.group == "" {
		return e, fmt.Errorf("%q names no group", key)
	}
	var err error
	e.option, err = parseOption(item.Get(key))
	return e, err
}

func splitPackage(s string) (string, *string) {
	name, pkg, found := strings.Cut(s, "@")
	if !found {
		return s, nil
	}
	pkg, _, _ = strings.Cut(pkg, ":")
	if pkg == "_here_" {
		pkg = ""
	}
	return name, &pkg
}

func parseOption(v *omegaconf.Node) (any, error) {
	if v.Kind() == omegaconf.List {
		options := []string{}
		for _, item := range v.Items() {
			s, ok := item.Text()
			if !ok {
				return nil, errors.New("options must be text")
			}
			options = append(options, s)
		}
		return options, nil
	}
	if v.IsNull() {
		return nil, nil
	}
	if s, ok := v.Text(); ok {
		return s, nil
	}
	return nil, errors.New("an option must be text, a list of texts, or null")
}
