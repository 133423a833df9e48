package omegaconf

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Scope is what the resolvers of a tree know of the world. A tree without one knows
// the process's environment, and no time.
type Scope struct {
	Env   func(name string) (string, bool) // ${oc.env:…}; nil: os.LookupEnv
	Now   time.Time                        // ${now:…}; zero: there is no such resolver
	Hydra *Node                            // ${hydra:…}: its mapping "hydra"; nil: not yet known
}

// SetScope gives the tree whose root is n its scope.
func (n *Node) SetScope(s *Scope) { n.scope = s }

func (e evaluator) call(x *callExpr) (any, error) {
	var names []string
	for _, part := range x.name {
		v, err := part, error(nil)
		if _, ok := part.(string); !ok {
			if v, err = e.value(part); err != nil {
				return nil, err
			}
		}
		s, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("the name of a resolver must be text, not %s", pyRepr(v))
		}
		names = append(names, s)
	}
	name := strings.Join(names, ".")
	resolver, ok := find(name)
	if !ok {
		return nil, fmt.Errorf("there is no resolver %q", name)
	}
	args := make([]any, 0, len(x.args))
	for _, arg := range x.args {
		v, err := e.value(arg)
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	if len(args) < resolver.least || len(args) > resolver.most {
		return nil, fmt.Errorf("the resolver %q takes %d to %d arguments, not %d", name, resolver.least, resolver.most, len(args))
	}
	if e.st.depth++; e.st.depth > maxDepth {
		return nil, errors.New("the interpolations go round in a circle")
	}
	defer func() { e.st.depth-- }()
	v, err := resolver.call(e, args)
	if err != nil {
		return nil, fmt.Errorf("cannot evaluate %q: %w", name, err)
	}
	return v, nil
}

type resolver struct {
	least, most int // arguments
	call        func(e evaluator, args []any) (any, error)
}

// find returns the resolver of a name. It is no table, as resolvers may lead to others.
func find(name string) (resolver, bool) {
	switch name {
	case "oc.env":
		return resolver{1, 2, resolveEnv}, true
	case "oc.select":
		return resolver{1, 2, resolveSelect}, true
	case "oc.decode":
		return resolver{1, 1, resolveDecode}, true
	case "oc.create":
		return resolver{1, 1, resolveCreate}, true
	case "oc.deprecated":
		return resolver{1, 2, resolveDeprecated}, true
	case "oc.dict.keys":
		return resolver{1, 1, resolveKeys}, true
	case "oc.dict.values":
		return resolver{1, 1, resolveValues}, true
	case "now":
		return resolver{1, 1, resolveNow}, true
	case "hydra":
		return resolver{1, 1, resolveHydra}, true
	}
	return resolver{}, false
}

func text(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("it takes text, not %s", pyRepr(resultText(v)))
	}
	return s, nil
}

func (e evaluator) scope() *Scope {
	if s := e.at.root().scope; s != nil {
		return s
	}
	return &Scope{}
}

func resolveEnv(e evaluator, args []any) (any, error) {
	name, err := text(args[0])
	if err != nil {
		return nil, err
	}
	lookup := e.scope().Env
	if lookup == nil {
		lookup = os.LookupEnv
	}
	v, ok := lookup(name)
	switch {
	case ok:
		return v, nil
	case len(args) == 1:
		return nil, fmt.Errorf("the environment has no variable %q: set it, or give a default as in ${oc.env:%s,default}", name, name)
	case args[1] == nil:
		return nil, nil
	}
	return pyStr(resultText(args[1])), nil
}

func resolveSelect(e evaluator, args []any) (any, error) {
	path, err := text(args[0])
	if err != nil {
		return nil, err
	}
	found, err := e.at.selectPath(path, &state{depth: e.st.depth}, false)
	if errors.Is(err, errNotContainer) {
		found, err = nil, nil
	}
	switch {
	case err != nil:
		return nil, err
	case found != nil && !found.IsMissing() && found.kind == Scalar:
		return found.value, nil
	case found != nil && !found.IsMissing():
		return found, nil
	case len(args) == 2:
		return args[1], nil
	}
	return nil, nil
}

func resolveDecode(e evaluator, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	expr, err := text(args[0])
	if err != nil {
		return nil, err
	}
	x, err := parseElement(expr)
	if err != nil {
		return nil, fmt.Errorf("cannot read %q: %w", expr, err)
	}
	return e.value(x)
}

func resolveCreate(e evaluator, args []any) (any, error) {
	var n *Node
	var err error
	switch v := args[0].(type) {
	case string:
		n, err = Load([]byte(v))
	case []any, Dict, *Node, nil:
		n, err = New(v)
	default:
		err = fmt.Errorf("it takes a list or a mapping, not %s", pyRepr(v))
	}
	if err != nil {
		return nil, err
	}
	n.parent = e.at
	return n, nil
}

func resolveDeprecated(e evaluator, args []any) (any, error) {
	path, err := text(args[0])
	if err != nil {
		return nil, err
	}
	if len(args) == 2 {
		if _, err := text(args[1]); err != nil {
			return nil, err
		}
	}
	found, err := e.at.selectPath(path, &state{depth: e.st.depth}, false)
	if err == nil && found == nil {
		err = fmt.Errorf("there is no key %q to refer to", path)
	}
	return found, err
}

// selectMap finds the mapping whose keys or values are asked for.
func selectMap(e evaluator, v any) (string, *Node, error) {
	path, err := text(v)
	if err != nil {
		return "", nil, err
	}
	found, err := e.at.selectPath(path, &state{depth: e.st.depth}, true)
	switch {
	case err != nil:
		return "", nil, err
	case found == nil || found.kind != Map:
		return "", nil, fmt.Errorf("there is no mapping %q", path)
	}
	return path, found, nil
}

func resolveKeys(e evaluator, args []any) (any, error) {
	_, m, err := selectMap(e, args[0])
	if err != nil {
		return nil, err
	}
	n, err := newList(m.keys)
	if err != nil {
		return nil, err
	}
	n.parent = e.at
	return n, nil
}

func resolveValues(e evaluator, args []any) (any, error) {
	path, m, err := selectMap(e, args[0])
	if err != nil {
		return nil, err
	}
	if path[0] == '.' { // the list is one level below
		path = "." + path
	}
	n := &Node{kind: List, parent: e.at}
	for _, k := range m.keys {
		if err := n.Append("${" + path + "." + pyStr(k) + "}"); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func resolveNow(e evaluator, args []any) (any, error) {
	format, err := text(args[0])
	if err != nil {
		return nil, err
	}
	now := e.scope().Now
	if now.IsZero() {
		return nil, errors.New("this config has no time")
	}
	return strftime(now, format), nil
}

func resolveHydra(e evaluator, args []any) (any, error) {
	path, err := text(args[0])
	if err != nil {
		return nil, err
	}
	h := e.scope().Hydra
	if h == nil {
		return nil, errors.New("hydra's own settings are known once the run begins only")
	}
	found, err := h.selectPath("."+path, &state{depth: e.st.depth}, false)
	if errors.Is(err, errNotContainer) || err == nil && (found == nil || found.IsMissing()) {
		return nil, nil
	}
	if err == nil && found.kind == Scalar {
		return found.value, nil
	}
	return found, err
}
