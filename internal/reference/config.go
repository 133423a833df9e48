package reference

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Settings describes a group of settings whose struct has the tags yaml, help and group, such as serve's, with its defaults.
type Settings struct {
	Group  string // the key of the file, such as server
	Values any    // a struct
}

// Config is the page of settings: those of a group that flags and variables set as well, and those of a composed configuration.
func Config(s Settings, c Composition) (string, error) {
	p := newPage("Settings", "the program's settings and configs/", "Two groups: what `torchlit serve` takes, and what `torchlit train` takes. An unknown key of either is an error "+
		"that names the nearest one.")
	p.f("\n## torchlit serve\n")
	p.paragraph("Each is a key of the file that `--config` names, below `" + s.Group + ":`, a variable of the environment, and a flag: `" + s.Group + ".max_batch_size`, `TORCHLIT_" +
		strings.ToUpper(s.Group) + "_MAX_BATCH_SIZE`, `--max-batch-size`. A flag wins over the variable, that over the file.")
	p.settings(s.Values)
	p.f("\n## torchlit train\n")
	p.paragraph("Composed of files in groups and changed by `key=value`, as [Configuration](../config.md) says. The defaults below are the recipe of the bundled model; " +
		"`torchlit train --cfg job` prints them, and with overrides what comes of these. " +
		"Keys without a word are what Lightning, timm or wandb call so ([training](../training.md), [augmentation](../augment.md), [W&B](../wandb.md)).")
	if err := c.write(p); err != nil {
		return "", err
	}
	return p.String(), nil
}

// settings adds a table for each heading.
func (p *page) settings(values any) {
	v := reflect.ValueOf(values)
	var rows [][]string
	flush := func() {
		p.table([]string{"key", "default", "is"}, rows)
		rows = nil
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if heading := f.Tag.Get("group"); heading != "" {
			flush()
			p.f("\n### Serve: %s\n", strings.ToLower(heading[:1])+heading[1:])
		}
		name, help := f.Tag.Get("yaml"), f.Tag.Get("help")
		if name == "" || help == "" {
			continue
		}
		rows = append(rows, []string{code(name), code(value(v.Field(i))), plain(help)})
	}
	flush()
}

func value(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return x.String()
	case string:
		return x
	}
	return fmt.Sprint(v.Interface())
}
