"""What the real hydra-core makes of the cases: reads a JSON list of cases from the
file given, writes a JSON list of answers {"ok": …, "out": …} to standard output.

A case has a kind:
  parse    line                    one override, as its parts
  compose  dir, config, overrides  the composed tree, and the same resolved
  sweep    dir, config, overrides  the overrides of each job
  yaml     text                    a document, read and written
  tree     text                    a document, resolved
"""

import json
import sys
import warnings

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore  # noqa: F401
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser import types as t
from hydra.types import RunMode
from omegaconf import OmegaConf, open_dict

warnings.simplefilter("ignore")


def encode(v):
    if v is None:
        return "null"
    if isinstance(v, bool):
        return "bool " + str(v)
    if isinstance(v, int):
        return "int %d" % v
    if isinstance(v, float):
        return "float " + repr(v)
    if isinstance(v, str):
        return "str " + json.dumps(v)
    if isinstance(v, t.QuotedString):
        return "quoted " + ("'" if v.quote == t.Quote.single else '"') + json.dumps(v.text)
    if isinstance(v, list):
        return "[" + ", ".join(map(encode, v)) + "]"
    if isinstance(v, dict):
        return "{" + ", ".join(encode(k) + ": " + encode(x) for k, x in v.items()) + "}"
    if isinstance(v, t.ChoiceSweep):
        return "choice %s%s%s%s" % (
            "simple " if v.simple_form else "",
            "shuffled " if v.shuffle else "",
            sorted(v.tags),
            encode(v.list),
        )
    if isinstance(v, t.RangeSweep):
        return "range %s%s%s" % (
            "shuffled " if v.shuffle else "",
            sorted(v.tags),
            encode([v.start, v.stop, v.step]),
        )
    if isinstance(v, t.IntervalSweep):
        return "interval %s%s" % (sorted(v.tags), encode([v.start, v.end]))
    if isinstance(v, t.Glob):
        return "glob " + encode(v.include) + encode(v.exclude)
    raise AssertionError(type(v))


def parse(case):
    o = OverridesParser.create().parse_override(case["line"])
    text = "" if isinstance(o._value, (t.Sweep, t.Glob)) else o.get_value_element_as_str()
    return "\n".join([o.type.name, o.key_or_group, str(o.package), encode(o._value), text])


def composed(case):
    with initialize_config_dir(config_dir=case["dir"], version_base="1.3", job_name="test"):
        cfg = compose(case["config"], case["overrides"], return_hydra_config=True)
        OmegaConf.set_readonly(cfg.hydra, False)
        choices = OmegaConf.to_yaml(cfg.hydra.runtime.choices)
        with open_dict(cfg):
            del cfg["hydra"]
        plain = OmegaConf.to_yaml(cfg)
        try:
            resolved = OmegaConf.to_yaml(cfg, resolve=True)
        except Exception:
            resolved = "error"
        try:
            OmegaConf.resolve(cfg)
            replaced = OmegaConf.to_yaml(cfg)
        except Exception:
            replaced = "error"
        if replaced == resolved:
            replaced = "same\n"
        if resolved == plain:
            resolved = "same\n"
        return "---\n".join([choices, plain, resolved, replaced])


def sweep(case):
    with initialize_config_dir(config_dir=case["dir"], version_base="1.3", job_name="test"):
        loader = GlobalHydra.instance().config_loader()
        cfg = loader.load_configuration(
            case["config"], case["overrides"] + ["hydra.mode=MULTIRUN"], RunMode.MULTIRUN
        )
        conf = cfg.hydra.sweeper
        lines = [f"{k}={v}" for k, v in (conf.params or {}).items()]
        lines += OmegaConf.to_container(cfg.hydra.overrides.task, resolve=False)
        parsed = OverridesParser.create(config_loader=loader).parse_overrides(lines)
        batches = BasicSweeper.split_arguments(parsed, conf.max_batch_size)
        out = []
        for batch in batches:
            for job in batch:
                loader.load_sweep_config(cfg, list(job))
            out.append("\n".join(" ".join(job) for job in batch))
        return "\n--\n".join(out)


def document(case):
    return OmegaConf.to_yaml(loads(case["text"]))


def loads(text):
    import io

    return OmegaConf.load(io.StringIO(text))


def tree(case):
    return OmegaConf.to_yaml(loads(case["text"]), resolve=True)


KINDS = {"parse": parse, "compose": composed, "sweep": sweep, "yaml": document, "tree": tree}


def main():
    answers = []
    with open(sys.argv[1], encoding="utf-8") as f:
        cases = json.load(f)
    for case in cases:
        try:
            answers.append({"ok": True, "out": KINDS[case["kind"]](case)})
        except RecursionError:
            answers.append({"ok": False, "out": "RecursionError"})
        except Exception as e:
            answers.append({"ok": False, "out": f"{type(e).__name__}: {e}"})
        finally:
            GlobalHydra.instance().clear()
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
