package stack

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// An image that lacks a file which the program embeds does not build, and one
// that has a file too many may hold a secret.
func TestTheBuildContextHoldsTheProgramAndNothingElse(t *testing.T) {
	t.Parallel()
	f, err := os.Open("../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	patterns, err := ignorefile.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	ignored, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	needed := append(programFiles(t), "go.mod", "go.sum")
	for path, want := range expectations(needed) {
		if got, err := ignored.MatchesOrParentMatches(path); err != nil || got != want {
			t.Errorf(".dockerignore leaves out %s: %v, %v; want %v", path, got, err, want)
		}
	}
}

func expectations(needed []string) map[string]bool {
	leftOut := map[string]bool{
		".git/config": true, ".local/session.key": true, "bin/minitwit": true, "README.md": true, "service/main_test.go": true,
	}
	for _, path := range needed {
		leftOut[path] = false
	}
	return leftOut
}

// programFiles lists what the binaries are compiled of, by paths from the root.
func programFiles(t *testing.T) (files []string) {
	t.Helper()
	const each = `{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}
{{end}}{{range .EmbedFiles}}{{$d}}/{{.}}
{{end}}`
	cmd := exec.Command("go", "list", "-deps", "-f", "{{if .Module}}{{if .Module.Main}}"+each+"{{end}}{{end}}", "./service", "./monitoring/exporter")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if path == "" {
			continue
		}
		files = append(files, strings.TrimPrefix(path, root+"/"))
	}
	if len(files) < 50 {
		t.Fatalf("go list names only %d files", len(files))
	}
	return files
}
