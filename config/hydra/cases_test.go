package hydra

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// environment is what the cases find in it.
var environment = map[string]string{"TORCHLIT_TEST_SET": "here", "TORCHLIT_TEST_LIST": "[1, two, {x: 3.5}]"}

// verdict is what hydra-core says of a case.
type verdict struct {
	OK  bool   `json:"ok"`
	Out string `json:"out,omitempty"`
}

// readCases reads testdata/cases.yaml.
func readCases(t *testing.T) []testCase {
	t.Helper()
	data, err := os.ReadFile("testdata/cases.yaml")
	require.NoError(t, err)
	var file struct {
		Parse, YAML, Tree []string
		Compose, Sweep    []testCase
	}
	require.NoError(t, yaml.Unmarshal(data, &file))
	conf, err := filepath.Abs("testdata/conf")
	require.NoError(t, err)
	var cases []testCase
	for _, line := range file.Parse {
		cases = append(cases, testCase{Kind: "parse", Line: line})
	}
	for _, text := range file.YAML {
		cases = append(cases, testCase{Kind: "yaml", Text: text})
	}
	for _, text := range file.Tree {
		cases = append(cases, testCase{Kind: "tree", Text: text})
	}
	for _, c := range file.Compose {
		c.Kind, c.Dir = "compose", conf
		cases = append(cases, c)
	}
	for _, c := range file.Sweep {
		c.Kind, c.Dir = "sweep", conf
		cases = append(cases, c)
	}
	for i := range cases {
		cases[i].Overrides = append([]string{}, cases[i].Overrides...)
	}
	for name, value := range environment {
		t.Setenv(name, value)
	}
	return cases
}

func readAnswers(t *testing.T) []verdict {
	t.Helper()
	data, err := os.ReadFile("testdata/answers.json")
	require.NoError(t, err)
	var answers []verdict
	require.NoError(t, json.Unmarshal(data, &answers))
	return answers
}

// TestCases holds this package to what hydra-core 1.3.8 with OmegaConf 2.3.1 says.
func TestCases(t *testing.T) {
	cases, answers := readCases(t), readAnswers(t)
	require.Len(t, answers, len(cases), "make answers.json again: see TestInteropCases")
	for i, c := range cases {
		agree(t, c, answers[i])
	}
}

func agree(t *testing.T, c testCase, want verdict) {
	t.Helper()
	out, err := c.answer()
	name, _ := json.Marshal(c)
	if !want.OK {
		assert.Error(t, err, "%s gives %s", name, out)
		return
	}
	if assert.NoError(t, err, "%s", name) {
		assert.Equal(t, want.Out, out, "%s", name)
	}
}
