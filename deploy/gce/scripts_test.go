package gce_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// acts is what docs/source/gcp.md does with an empty project, in its order.
var acts = [][]string{{"project.sh"}, {"bucket.sh"}, {"registry.sh"}, {"run.sh"}, {"group.sh"}, {"balancer.sh"}, {"deploy.sh", "registry/torchlit:2"},
	{"train.sh", "--run", "first", "optim.lr=0.1"}}

func (b *bench) all(extra ...string) string {
	b.t.Helper()
	var out strings.Builder
	for _, a := range acts {
		o, errs, status := b.run(a[0], append(a[1:], extra...)...)
		require.Zero(b.t, status, "%s: %s", a[0], errs)
		out.WriteString(o)
	}
	return out.String()
}

var (
	hashes = regexp.MustCompile(`torchlit-serve-[0-9a-f]{10}\b`)
	here   = regexp.MustCompile(`[^ ,=]*/deploy/gce/`)
	temp   = regexp.MustCompile(`/\S*/tmp\.\w+`)
)

// steady replaces what differs from one machine, or one edit of a script, to the next.
func steady(text string) string {
	text = hashes.ReplaceAllString(text, "torchlit-serve-HASH")
	text = here.ReplaceAllString(text, "deploy/gce/")
	return temp.ReplaceAllString(text, "TEMP")
}

// golden compares with a file of testdata; GCE_GOLDEN=1 go test writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("GCE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "%s: read the difference, then GCE_GOLDEN=1 go test ./deploy/gce", name)
}

func TestEmptyProject(t *testing.T) {
	b := newBench(t, "gcloud")
	b.all()
	golden(t, "empty-project.txt", steady(strings.Join(changes(b.log()), "\n"))+"\n")
}

func TestSecondRunCreatesNothing(t *testing.T) {
	b := newBench(t, "gcloud")
	b.all()
	b.log()
	before := b.read("cloud.json")
	b.all()
	for _, line := range changes(b.log()) {
		again := strings.Contains(line, " set-autoscaling ") || strings.HasPrefix(line, "gcloud run ") || // the same once more
			strings.Contains(line, " start-update ") || strings.Contains(line, " wait-until ")
		assert.True(t, again, line)
	}
	assert.Equal(t, before, b.read("cloud.json"))
}

// TestDryRun: nothing is asked or changed, and what is printed are the commands that an empty project gets.
func TestDryRun(t *testing.T) {
	b := newBench(t, "gcloud")
	printed := b.all("--dry-run")
	assert.Empty(t, b.log())
	b.write("bin/gcloud", "") // it needs none at all
	for _, name := range []string{"clean.sh", "teardown.sh"} {
		b.must(name, "--dry-run")
	}
	printed = strings.ReplaceAll(printed, "PROJECT_NUMBER", "123456")
	want, err := os.ReadFile("testdata/empty-project.txt")
	require.NoError(t, err)
	got := steady(strings.Join(changes(strings.Split(strings.TrimSpace(printed), "\n")), "\n")) + "\n"
	assert.Equal(t, string(want), got)
}

// TestRoles: whoever adds a role changes a file that says what every account may do.
func TestRoles(t *testing.T) {
	b := newBench(t, "gcloud")
	b.all()
	var roles []string
	of := regexp.MustCompile(`add-iam-policy-binding (\S+) .*'?--member=([^ ']+)'? '?--role=([^ ']+)'?(?: '?--condition=(.*)'? --project)?`)
	for _, line := range changes(b.log()) {
		if m := of.FindStringSubmatch(line); m != nil {
			roles = append(roles, strings.TrimSuffix(strings.TrimPrefix(m[2], "serviceAccount:")+" has "+m[3]+" on "+m[1]+" if "+m[4], " if "))
		} else {
			assert.NotContains(t, line, "iam-policy")
		}
		if _, permissions, ok := strings.Cut(line, "--permissions="); ok {
			roles = append(roles, "role with "+strings.Fields(permissions)[0])
		}
	}
	sort.Strings(roles)
	golden(t, "roles.txt", strings.Join(roles, "\n")+"\n")
}

// TestFailureInTheMiddle: whatever fails, the script says what to do and ends, and the next run does the rest.
func TestFailureInTheMiddle(t *testing.T) {
	f := func(script string, failures ...string) {
		t.Helper()
		whole := newBench(t, "gcloud")
		whole.must(script)
		for _, words := range failures {
			b := newBench(t, "gcloud")
			b.fails(words, "ERROR: (gcloud) something broke")
			_, errs, status := b.run(script)
			assert.Equal(t, 1, status, words)
			lines := strings.Split(strings.TrimSpace(errs), "\n")
			assert.Contains(t, errs, "something broke")
			assert.Regexp(t, `^\w+\.sh: .* failed: .* run this again`, lines[len(lines)-1])
			log := changes(b.log())
			assert.Contains(t, log[len(log)-1], words, "nothing comes after it")
			b.must(script)
			assert.JSONEq(t, whole.read("cloud.json"), b.read("cloud.json"), words)
		}
	}
	f("project.sh", "services enable", "service-accounts create torchlit-train", "roles/run.developer", "providers create-oidc")
	f("bucket.sh", "storage buckets create", "storage buckets add-iam-policy-binding")
	f("registry.sh", "roles/artifactregistry.reader")
	f("group.sh", "health-checks create", "instance-templates create", "managed create", "set-named-ports", "set-autoscaling")
	f("balancer.sh", "add-backend", "url-maps create", "forwarding-rules create")
}

func TestAdvice(t *testing.T) {
	f := func(said, advice string) {
		t.Helper()
		b := newBench(t, "gcloud")
		b.fails("networks create", said)
		_, errs, status := b.run("project.sh")
		assert.Equal(t, 1, status)
		lines := strings.Split(strings.TrimSpace(errs), "\n")
		assert.Contains(t, lines[len(lines)-1], advice)
	}
	f("You do not currently have an active account selected.", "gcloud auth login")
	f("SERVICE_DISABLED: Compute Engine API has not been used in project 1", "project.sh")
	f("Quota 'GPUS_ALL_REGIONS' exceeded. Limit: 0.0 globally.", "Quotas")
	f("PERMISSION_DENIED: Required 'compute.networks.create' permission", "Permissions")
	f("The resource 'x' was not found", "In which order")
	f("FAILED_PRECONDITION: Billing account for project is not found", "billing projects link")
}

// TestNotAllowedToLook: an account that may not see what there is must not make it again.
func TestNotAllowedToLook(t *testing.T) {
	b := newBench(t, "gcloud")
	b.fails("networks describe", "ERROR: (gcloud) PERMISSION_DENIED: Required 'compute.networks.get' permission")
	_, errs, status := b.run("project.sh")
	assert.Equal(t, 1, status)
	assert.Contains(t, errs, "Permissions")
	assert.NotContains(t, strings.Join(b.log(), "\n"), "networks create")
}

func TestSettings(t *testing.T) {
	b := newBench(t, "gcloud")
	f := func(want string, env ...string) {
		t.Helper()
		c := &bench{t: t, dir: b.dir, env: append(slices.Clone(b.env), env...)}
		_, errs, status := c.run("project.sh", "--dry-run")
		assert.Equal(t, 1, status)
		assert.Contains(t, errs, want)
	}
	f("PROJECT=my-project", "PROJECT=")
	f("small letter", "NAME=Torchlit")
	f("t4, l4 or none", "GPU=h100")
	f("queue_depth, gpu_use or request_rate", "SCALE_ON=cpu")
	f("no owner/name", "GITHUB_REPOSITORY=owner")

	b.write("mine.sh", "NAME=photos\nGPU=l4\nSPOT=1\n")
	out := b.must("group.sh", "--dry-run", "--settings", filepath.Join(b.dir, "mine.sh"))
	assert.Contains(t, out, "photos-serve")
	assert.Contains(t, out, "g2-standard-4")
	assert.NotContains(t, out, "--accelerator", "a G2 has its GPU")
	assert.Contains(t, out, "--provisioning-model=SPOT")
}

// TestUsage: every script has help, and none takes what it does not know.
func TestUsage(t *testing.T) {
	b := newBench(t, "gcloud")
	scripts, err := filepath.Glob("*.sh")
	require.NoError(t, err)
	page, err := os.ReadFile("../../docs/source/gcp.md")
	require.NoError(t, err)
	for _, name := range scripts {
		if name == "lib.sh" || name == "settings.sh" {
			continue
		}
		help, _, status := b.run(name, "--help")
		assert.Zero(t, status, name)
		assert.Contains(t, help, "deploy/gce/"+name)
		assert.Contains(t, help, "--dry-run", name)
		_, errs, status := b.run(name, "--dry-run", "--nonsense", "extra", "more")
		assert.Equal(t, 1, status, name)
		assert.Contains(t, errs, "--help", name)
		assert.Contains(t, string(page), name, "docs/source/gcp.md does not tell of it")
	}
	assert.Empty(t, b.log())
}

// TestFlags holds every command to the table of a real gcloud.
func TestFlags(t *testing.T) {
	text, err := os.ReadFile("testdata/gcloud-528.txt")
	require.NoError(t, err)
	known := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		command, flags, ok := strings.Cut(strings.TrimSpace(line), ":")
		if wide, is := strings.CutPrefix(line, "* "); is {
			known["*"] = strings.Fields(wide)
		} else if ok {
			known[command] = strings.Fields(flags)
		}
	}
	b := newBench(t, "gcloud")
	printed := b.all("--dry-run") + b.must("teardown.sh", "--dry-run", "--data") + b.must("clean.sh", "--dry-run") + b.must("run.sh", "--dry-run", "--to", "r")
	b.env = append(b.env, "DOMAIN=photos.example.com", "SPOT=1", "TRAIN_SPOT=0", "GPU=l4")
	printed += b.all("--dry-run")
	b.all()
	b.env = append(b.env, "GITHUB_REPOSITORY=owner/other", "DRAIN_TIMEOUT=30")
	b.must("project.sh")
	b.must("balancer.sh")
	b.must("teardown.sh", "--data")
	seen := 0
	flags := regexp.MustCompile(`(?:^| )'?(--[a-z-]+)`)
	for _, line := range append(strings.Split(printed, "\n"), b.log()...) {
		line, ok := strings.CutPrefix(line, "gcloud ")
		if !ok {
			continue
		}
		command, words := "", strings.Fields(line)
		for n := len(words); n > 0 && command == ""; n-- {
			if _, ok := known[strings.Join(words[:n], " ")]; ok {
				command = strings.Join(words[:n], " ")
			}
		}
		if !assert.NotEmpty(t, command, "no such command of gcloud, or testdata/gcloud-528.txt lacks it: %s", line) {
			continue
		}
		seen++
		quoted := regexp.MustCompile(`=[^']*'`).ReplaceAllString(line, "'") // what is in a value is no flag
		for _, m := range flags.FindAllStringSubmatch(quoted, -1) {
			positive := strings.Replace(m[1], "--no-", "--", 1)
			has := slices.Contains(known[command], m[1]) || slices.Contains(known[command], positive) || slices.Contains(known["*"], m[1])
			assert.True(t, has, "gcloud %s has no flag %s", command, m[1])
		}
	}
	assert.Greater(t, seen, 100)
}

func TestTeardown(t *testing.T) {
	b := newBench(t, "gcloud")
	b.all()
	b.must("teardown.sh")
	assert.Contains(t, b.read("cloud.json"), "storage buckets gs://my-project-torchlit", "data went without --data")
	b.must("teardown.sh", "--data")
	left := regexp.MustCompile(`"((?:compute|run|storage buckets|artifacts|iam service-accounts|grant projects) [^"]*)"`).FindAllString(b.read("cloud.json"), -1)
	assert.Empty(t, left)
	b.log()
	b.must("teardown.sh", "--data")
	assert.Empty(t, changes(b.log()), "there is nothing left to delete")
}
