package hydra

import (
	"fmt"
	"slices"
	"strings"

	"github.com/torchlit/torchlit/config/omegaconf"
)

// How a defaults list becomes the list of configs to merge.
//
// Each config may list others, which may list others in turn: a tree, whose leaves
// from left to right are merged in this order. It is built from the right, as the
// entries at the end of a list may say "override group: option", which decides for
// the same group anywhere to the left or below, unless the command line has decided
// already. So when a node is opened, all that could change its option is known. What
// is left are options that are interpolations of other groups' ("${model}_${data}"):
// they are opened when the rest of their list is, and so may override nothing.

// Default is one config of the final list.
type Default struct {
	Config  string // its path, such as "model/resnet18"
	Package string // where in the tree it goes; "" is the root
	Parent  string // the config that lists it
	Self    bool   // the content of a config that has a defaults list
	primary bool
	key     string
}

// treeNode is a node of the tree of defaults.
type treeNode struct {
	*entry
	children []*treeNode
	parent   *treeNode
}

// builder builds the tree of defaults.
type builder struct {
	repo        *repository
	choices     *choices
	skipMissing bool // options that are ??? are left out, as for a sweep that sets them
	depth       int
}

// maxDepth bounds how deep configs may list configs: beyond, they list each other.
const maxDepth = 100

// buildDefaults makes the tree for a primary config, and hydra's own.
func buildDefaults(r *repository, c *choices, primary string, skipMissing bool) (*treeNode, []Default, error) {
	b := &builder{repo: r, choices: c, skipMissing: skipMissing}
	root := &treeNode{entry: &entry{virtual: true}}
	for _, e := range []*entry{{path: primary, primary: true}, {path: "hydra/config"}} {
		child := &treeNode{entry: e, parent: root}
		if err := b.open(child, e.primary, false); err != nil {
			return nil, nil, err
		}
		root.children = append([]*treeNode{child}, root.children...)
	}
	list, err := root.flatten()
	if err != nil {
		return nil, nil, err
	}
	return root, list, c.allUsed(r)
}

// open reads the config of a node and builds what is below it.
func (b *builder) open(n *treeNode, isRoot, interpolated bool) error {
	if b.depth++; b.depth > maxDepth {
		return fmt.Errorf("the config %q lists itself, through others", n.configPath())
	}
	defer func() { b.depth-- }()
	if isRoot && !b.repo.configExists(n.configPath()) {
		return b.notFound(n)
	}
	var f *file
	var err error
	if !n.isMissing() {
		if f, err = b.repo.load(n.configPath()); err != nil {
			return err
		}
		if f != nil && f.hasPkg {
			n.setHeader(f.pkg)
		}
	}
	if b.choices.isDeleted(n.entry) {
		n.deleted = true
		b.choices.deletions[n.overrideKey()].used = true
		return nil
	}
	if err := b.choices.setKnown(n.entry); err != nil {
		return err
	}
	switch {
	case n.isGroup() && n.option == nil:
		return nil
	case strings.HasSuffix(n.configPath(), omegaconf.Missing):
		return b.missing(n)
	case f == nil && n.optional:
		n.deleted = true
		return nil
	case f == nil:
		return b.notFound(n)
	}
	return b.openList(n, f, isRoot, interpolated)
}

func (b *builder) openList(n *treeNode, f *file, isRoot, interpolated bool) error {
	list := make([]*entry, 0, len(f.entries)+1)
	for _, e := range f.entries {
		list = append(list, &e)
	}
	if len(list) > 0 || isRoot && len(b.choices.appended) > 0 {
		var err error
		if list, err = withSelf(n, list); err != nil {
			return err
		}
	}
	if isRoot {
		list = append(list, b.choices.appended...)
	}
	dir, pkg := n.groupPath(), n.finalPackage(true)
	if err := b.takeOverrides(n, list, dir, pkg, interpolated); err != nil {
		return err
	}
	var children []*treeNode // from the right
	for _, e := range slices.Backward(list) {
		if e.isSelf() {
			children = append(children, &treeNode{entry: e, parent: n})
			continue
		}
		if e.override {
			continue
		}
		b.decide(e)
		options, several := e.option.([]string)
		if !several {
			child := &treeNode{entry: e, parent: n}
			children = append(children, child)
			if e.isInterpolation() {
				continue
			}
			if err := b.open(child, false, interpolated); err != nil {
				return err
			}
			continue
		}
		for _, option := range slices.Backward(options) {
			if strings.Contains(option, "${") {
				return fmt.Errorf("in config %q: an option of a list cannot be an interpolation: %q", n.configPath(), option)
			}
			one := &entry{path: e.group + "/" + option, pkg: e.pkg, optional: e.optional}
			one.place(dir, pkg)
			child := &treeNode{entry: one, parent: n}
			children = append(children, child)
			if err := b.open(child, false, interpolated); err != nil {
				return err
			}
		}
	}
	known := b.choices.knownOptions()
	for _, child := range children {
		if child.isSelf() || !child.isInterpolation() {
			continue
		}
		if err := child.resolve(known); err != nil {
			return fmt.Errorf("in config %q: %w", n.configPath(), err)
		}
		if err := b.open(child, false, true); err != nil {
			return err
		}
	}
	slices.Reverse(children)
	n.children = children
	return nil
}

// withSelf checks that _self_ is there once at most, and puts it at the end if it is
// not there.
func withSelf(n *treeNode, list []*entry) ([]*entry, error) {
	selves, others := 0, false
	for _, e := range list {
		others = others || !e.override
		if e.isSelf() {
			selves++
		}
	}
	if selves > 1 {
		return nil, fmt.Errorf("the defaults list of config %q has _self_ twice", n.configPath())
	}
	if selves == 0 && others || len(list) == 0 {
		list = append(list, &entry{path: "_self_"})
	}
	return list, nil
}

// takeOverrides places the entries of a list and notes its overrides.
func (b *builder) takeOverrides(n *treeNode, list []*entry, dir, pkg string, interpolated bool) error {
	var last *entry
	for _, e := range list {
		if e.isSelf() {
			continue
		}
		e.place(dir, pkg)
		if last != nil && !e.override && !e.appended {
			return fmt.Errorf("in config %q: 'override %s' must stand behind '%s'", n.configPath(), last, e)
		}
		if !e.isGroup() || !e.override {
			continue
		}
		last = e
		if interpolated {
			return fmt.Errorf("config %q cannot override %q: it was chosen by an interpolation", n.configPath(), e.overrideKey())
		}
		key := e.overrideKey()
		if _, decided := b.choices.chosenBy[key]; !decided {
			b.choices.choose(key, e.option, &decision{in: n.configPath()})
		}
	}
	return nil
}

// decide applies what overrides say about a group.
func (b *builder) decide(e *entry) {
	if !e.isGroup() {
		return
	}
	key := e.overrideKey()
	if by, decided := b.choices.chosenBy[key]; decided {
		e.option = b.choices.chosen[key]
		e.chosen = by.external
		by.used = true
	}
}

// resolve computes an option or a path that refers to other groups' options.
func (e *entry) resolve(known omegaconf.Dict) error {
	text := e.configPath()
	if e.isGroup() {
		text, _ = e.name()
	}
	const key = "_text_"
	tree, err := omegaconf.New(append(known, omegaconf.Pair{Key: key, Value: text}))
	if err != nil {
		return err
	}
	found, err := tree.Select(key)
	if err != nil {
		return fmt.Errorf("cannot resolve %q, which may refer to the groups of the defaults list: %w", text, err)
	}
	resolved, ok := found.Text()
	if !ok {
		return fmt.Errorf("%q is no name of an option", text)
	}
	if e.isGroup() {
		e.option = resolved
	} else {
		e.path = resolved
	}
	return nil
}

// missing is for a group whose option is ???.
func (b *builder) missing(n *treeNode) error {
	if b.skipMissing {
		return nil
	}
	if !n.isGroup() {
		return fmt.Errorf("the config %q is missing", n.configPath())
	}
	key := n.overrideKey()
	return fmt.Errorf("group %q has no default: give %s=OPTION, one of %s", key, key, strings.Join(b.repo.options(n.groupPath()), ", "))
}

func (b *builder) notFound(n *treeNode) error {
	path := n.configPath()
	in := ""
	if n.parent != nil && !n.parent.virtual && !n.chosen {
		in = fmt.Sprintf(", which config %q lists", n.parent.configPath())
	}
	var places []string
	for _, s := range b.repo.sources[1:] { // hydra's own is no place to put files
		places = append(places, s.Path)
	}
	err := fmt.Errorf("there is no config %q%s; searched in %s", path, in, strings.Join(places, ", "))
	if n.isGroup() {
		options := b.repo.options(n.groupPath())
		name, _ := n.name()
		switch nearest, near := Nearest(name, options); {
		case near:
			err = fmt.Errorf("group %q has no option %q%s; the nearest is %q of %s", n.groupPath(), name, in, nearest, strings.Join(options, ", "))
		case len(options) > 0:
			err = fmt.Errorf("group %q has no option %q%s; there are %s", n.groupPath(), name, in, strings.Join(options, ", "))
		}
	}
	return err
}

// flatten lists the leaves from left to right.
func (n *treeNode) flatten() ([]Default, error) {
	var list []Default
	var walk func(n *treeNode)
	walk = func(n *treeNode) {
		for _, child := range n.children {
			walk(child)
		}
		if len(n.children) > 0 || n.virtual || n.deleted || n.isMissing() || n.isGroup() && n.option == nil {
			return
		}
		list = append(list, n.result())
	}
	walk(n)
	seen := map[string]bool{}
	for _, d := range list {
		if d.key != "" && seen[d.key] {
			return nil, fmt.Errorf("%q occurs more than once in the final defaults list", d.key)
		}
		seen[d.key] = !d.Self
	}
	return list, nil
}

func (n *treeNode) result() Default {
	of := n // a _self_ stands for the config that lists it
	if n.isSelf() {
		of = n.parent
	}
	d := Default{Config: of.configPath(), Package: of.finalPackage(true), Self: n.isSelf(), primary: of.primary}
	switch {
	case of.parent == nil:
	case of.parent.virtual:
		d.Parent = "<root>"
	default:
		d.Parent = of.parent.configPath()
	}
	if !d.Self && n.isGroup() {
		d.key = n.overrideKey()
	}
	return d
}
