// Renders a chart as Helm does, as far as this chart needs it: for machines that have Go's template library and sprig (Debian:
// golang-go, golang-github-masterminds-sprig-dev, golang-k8s-sigs-yaml-dev), and no Helm.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run render.go CHART [VALUES...]
//
// VALUES are files that go over the chart's values. Documents go to standard output; what is wrong is an error.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

type tree = map[string]interface{}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}

func read(path string) tree {
	text, err := os.ReadFile(path)
	fail(err)
	values := tree{}
	fail(yaml.Unmarshal(text, &values))
	return values
}

// Maps are merged, everything else is replaced, as Helm does it.
func over(base, above tree) tree {
	for key, value := range above {
		below, isMap := base[key].(tree)
		if upper, ok := value.(tree); ok && isMap {
			base[key] = over(below, upper)
		} else {
			base[key] = value
		}
	}
	return base
}

func main() {
	chart := os.Args[1]
	values := read(filepath.Join(chart, "values.yaml"))
	for _, path := range os.Args[2:] {
		values = over(values, read(path))
	}
	described := read(filepath.Join(chart, "Chart.yaml"))
	context := tree{
		"Values":  values,
		"Chart":   tree{"Name": described["name"], "Version": described["version"], "AppVersion": described["appVersion"]},
		"Release": tree{"Name": "quorate", "Namespace": "store", "Service": "Helm"},
	}

	// What is absent is an error here, where Helm would write nothing.
	all := template.New("chart").Option("missingkey=error")
	functions := sprig.TxtFuncMap()
	functions["toYaml"] = func(value interface{}) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(text), "\n"), err
	}
	functions["include"] = func(name string, data interface{}) (string, error) {
		var text bytes.Buffer
		err := all.ExecuteTemplate(&text, name, data)
		return text.String(), err
	}
	all.Funcs(functions)

	paths, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	fail(err)
	sort.Strings(paths)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		fail(err)
		_, err = all.New(filepath.Base(path)).Parse(string(text))
		fail(err)
	}
	for _, path := range paths {
		name := filepath.Base(path)
		if strings.HasPrefix(name, "_") {
			continue
		}
		var text bytes.Buffer
		fail(all.ExecuteTemplate(&text, name, context))
		if strings.HasSuffix(name, ".yaml") {
			fmt.Printf("---\n# %s\n%s\n", name, text.String())
		} else {
			fmt.Fprintln(os.Stderr, text.String())
		}
	}
}
