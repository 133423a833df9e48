package hydra

import (
	"embed"
	"io/fs"

	"github.com/torchlit/torchlit/config/omegaconf"
)

// builtin holds the config group hydra: the same keys and options as hydra-core has
// without plugins, so that a run's .hydra/hydra.yaml is what its users know. What
// configures Python's logging is carried along and used by nobody here; the texts of
// the help pages are ours.
//
//go:embed builtin
var builtin embed.FS

// Version is the release of hydra-core whose behaviour this package has.
const Version = "1.3.8"

const versionBase = "1.3"

func builtinSource() Source {
	sub, err := fs.Sub(builtin, "builtin")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return Source{Provider: "hydra", Scheme: "pkg", Path: "hydra.conf", FS: sub}
}

// What hydra's own configuration demands of its values: hydra.conf.HydraConf.
var (
	str      = &omegaconf.Type{Name: "str"}
	strOrNil = &omegaconf.Type{Name: "str", Optional: true}
	strList  = &omegaconf.Type{Name: "list", Elem: str}
	anyDict  = &omegaconf.Type{Name: "dict"}

	sweeperType = fields(map[string]*omegaconf.Type{
		"_target_":       str,
		"max_batch_size": {Name: "int", Optional: true},
		"params":         {Name: "dict", Elem: str, Optional: true},
	})
	launcherType = fields(map[string]*omegaconf.Type{"_target_": str})

	hydraType = fields(map[string]*omegaconf.Type{
		"mode":          {Name: "enum", Values: []string{"RUN", "MULTIRUN"}, Optional: true},
		"searchpath":    strList,
		"run":           texts("dir"),
		"sweep":         texts("dir", "subdir"),
		"hydra_logging": anyDict,
		"job_logging":   anyDict,
		"sweeper":       sweeperType,
		"launcher":      launcherType,
		"callbacks":     anyDict,
		"help":          texts("app_name", "header", "footer", "template"),
		"hydra_help":    texts("hydra_help", "template"),
		"output_subdir": strOrNil,
		"overrides":     fields(map[string]*omegaconf.Type{"hydra": strList, "task": strList}),
		"job":           jobType,
		"runtime":       runtimeType,
		"verbose":       nil,
		"env":           anyDict,
	})

	jobType = fields(map[string]*omegaconf.Type{
		"name": str, "override_dirname": str, "id": str, "config_name": strOrNil,
		"chdir":    {Name: "bool", Optional: true},
		"num":      {Name: "int"},
		"env_set":  {Name: "dict", Elem: str},
		"env_copy": strList,
		"config": fields(map[string]*omegaconf.Type{
			"override_dirname": fields(map[string]*omegaconf.Type{
				"kv_sep": str, "item_sep": str, "exclude_keys": strList,
			}),
		}),
	})

	runtimeType = fields(map[string]*omegaconf.Type{
		"version": str, "version_base": str, "cwd": str, "output_dir": str,
		"config_sources": {Name: "list", Elem: texts("path", "schema", "provider")},
		"choices":        anyDict,
	})
)

func fields(m map[string]*omegaconf.Type) *omegaconf.Type {
	return &omegaconf.Type{Name: "dict", Fields: m}
}

// texts is a mapping whose keys all hold text.
func texts(keys ...string) *omegaconf.Type {
	m := map[string]*omegaconf.Type{}
	for _, k := range keys {
		m[k] = str
	}
	return fields(m)
}
