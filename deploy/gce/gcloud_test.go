package gce_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// cloud is a project as far as the scripts look at it: what exists, by kind and name, with what they ask about it.
type cloud struct {
	dir   string
	State map[string]string
}

var verbs = []string{"describe", "list", "enable", "create", "create-oidc", "update-oidc", "update", "delete", "get-iam-policy",
	"add-iam-policy-binding", "remove-iam-policy-binding", "get-named-ports", "set-named-ports", "set-autoscaling", "start-update", "wait-until",
	"add-backend", "deploy", "update-traffic", "cat", "cp", "rm"}

// flag is the value of --name=value.
func flag(args []string, name string) string {
	for _, a := range args {
		if v, ok := strings.CutPrefix(a, "--"+name+"="); ok {
			return v
		}
	}
	return ""
}

func (c *cloud) load() {
	c.State = map[string]string{}
	text, err := os.ReadFile(filepath.Join(c.dir, "cloud.json"))
	if err == nil {
		err = json.Unmarshal(text, &c.State)
	}
	if err != nil && !os.IsNotExist(err) {
		panic(err)
	}
}

func (c *cloud) store() {
	text, err := json.Marshal(c.State)
	if err == nil {
		err = os.WriteFile(filepath.Join(c.dir, "cloud.json"), text, 0o600)
	}
	if err != nil {
		panic(err)
	}
}

func (c *cloud) gcloud(args []string) int {
	c.load()
	at := slices.IndexFunc(args, func(a string) bool { return slices.Contains(verbs, a) })
	if at < 0 {
		fmt.Fprintf(os.Stderr, "ERROR: (gcloud) the stand-in does not know %q\n", args)
		return 2
	}
	kind, verb, rest := strings.Join(args[:at], " "), args[at], args[at+1:]
	if kind == "run" { // deploy
		kind = "run services"
	}
	if kind == "compute health-checks" && verb == "create" {
		rest = rest[1:] // http
	}
	var names []string
	for _, a := range rest {
		if !strings.HasPrefix(a, "-") || a == "-" {
			names = append(names, a)
		}
	}
	name := strings.Join(names, " ")
	if kind == "storage" {
		name = names[len(names)-1]
	}
	status := c.act(kind, verb, name, names, rest)
	c.store()
	return status
}

func (c *cloud) act(kind, verb, name string, names, args []string) int {
	key := kind + " " + name
	if kind == "iam service-accounts" && verb == "create" {
		key += "@" + flag(args, "project") + ".iam.gserviceaccount.com"
	}
	switch verb {
	case "describe":
		return c.describe(kind, key, name, flag(args, "format"))
	case "list":
		c.list(kind, flag(args, "filter"), flag(args, "format"))
	case "enable":
		for _, n := range names {
			c.State["services "+n] = "on"
		}
	case "create", "create-oidc", "deploy":
		if _, there := c.State[key]; there && verb != "deploy" {
			fmt.Fprintf(os.Stderr, "ERROR: (gcloud) %s already exists\n", key)
			return 1
		}
		c.create(key, verb, args)
	case "update-oidc":
		c.State[key] = flag(args, "attribute-condition")
	case "update":
		c.State[key] = flag(args, "connection-draining-timeout")
	case "delete":
		delete(c.State, key)
	case "get-iam-policy":
		c.policy(key)
	case "add-iam-policy-binding":
		c.State["grant "+key+" "+flag(args, "role")+","+flag(args, "member")] = flag(args, "condition")
	case "remove-iam-policy-binding":
		delete(c.State, "grant "+key+" "+flag(args, "role")+","+flag(args, "member"))
	case "set-named-ports":
		c.State["ports "+name] = strings.Replace(flag(args, "named-ports"), ":", ",", 1)
	case "get-named-ports":
		fmt.Println(c.State["ports "+name])
	case "add-backend":
		c.State["backend "+name] = ".../instanceGroups/" + flag(args, "instance-group")
	case "start-update":
		c.State["compute instance-groups managed "+name] = strings.TrimPrefix(flag(args, "version"), "template=")
	case "cat":
		return c.cat(name)
	case "cp":
		c.copy(names)
	case "rm":
		delete(c.State, "storage buckets "+name)
	case "set-autoscaling", "wait-until", "update-traffic": // nobody asks what came of it
	}
	return 0
}

func (c *cloud) create(key, verb string, args []string) {
	c.State[key] = "there"
	for _, of := range []string{"template", "attribute-condition", "connection-draining-timeout", "zone", "labels"} {
		if v := flag(args, of); v != "" {
			c.State[key] = v
			break
		}
	}
	if verb == "deploy" {
		c.State[key] = flag(args, "image")
	}
	if verb == "create" && strings.HasPrefix(key, "compute instances ") {
		c.train(key)
	}
}

// train lets a VM live for one look, and then end with the next line of the file "ends".
func (c *cloud) train(key string) {
	ends, rest, _ := strings.Cut(readFile(filepath.Join(c.dir, "ends")), "\n")
	if ends == "" {
		return
	}
	c.State["ending "+key] = ends
	if err := os.WriteFile(filepath.Join(c.dir, "ends"), []byte(rest), 0o600); err != nil {
		panic(err)
	}
}

func (c *cloud) describe(kind, key, name, format string) int {
	value, there := c.State[key]
	switch {
	case kind == "projects":
		fmt.Println("123456")
	case !there:
		fmt.Fprintf(os.Stderr, "ERROR: (gcloud) The resource '%s' was not found\n", name)
		return 1
	case format == "value(name)" || format == "value(email)":
		fmt.Println(name)
	case format == "value(address)":
		fmt.Println("203.0.113.7")
	case strings.HasPrefix(format, "value(backends"):
		fmt.Println(c.State["backend "+name])
	case kind == "run services":
		fmt.Println("torchlit-00001\t" + value)
	default:
		fmt.Println(value)
	}
	return 0
}

func (c *cloud) list(kind, filter, format string) {
	var names []string
	for k := range c.State {
		if name, ok := strings.CutPrefix(k, kind+" "); ok {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		key := kind + " " + name
		switch {
		case strings.HasPrefix(filter, "name=") && filter != "name="+name:
		case strings.HasPrefix(format, "value(zone"):
			fmt.Println(c.State[key])
			if ends := c.State["ending "+key]; ends != "" {
				delete(c.State, key)
				delete(c.State, "ending "+key)
				run := strings.TrimPrefix(name, "torchlit-train-")
				if ends != "silence" {
					c.State["object gs://my-project-torchlit/runs/"+run+"/status"] = ends
				}
				c.State["object gs://my-project-torchlit/runs/"+run+"/log.txt"] = "the log says why"
			}
		case strings.HasPrefix(format, "csv"):
			fmt.Println(name + "," + c.State[key])
		default:
			fmt.Println(name)
		}
	}
}

func (c *cloud) policy(key string) {
	for k := range c.State {
		if grant, ok := strings.CutPrefix(k, "grant "+key+" "); ok {
			fmt.Println(grant)
		}
	}
}

func (c *cloud) cat(name string) int {
	text, there := c.State["object "+name]
	if !there {
		fmt.Fprintf(os.Stderr, "ERROR: (gcloud.storage.cat) The following URLs matched no objects or files:\n%s\n", name)
		return 1
	}
	fmt.Println(text)
	return 0
}

func (c *cloud) copy(names []string) {
	from, to := names[0], names[1]
	if from == "-" {
		from = "/dev/stdin"
	}
	if !strings.HasSuffix(to, ".tar.gz") {
		c.State["object "+to] = strings.TrimSpace(readFile(from))
	}
	c.State["storage objects "+to] = "there"
}

func readFile(name string) string {
	text, _ := os.ReadFile(name)
	return string(text)
}
