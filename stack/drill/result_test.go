package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHistoryGivesTheNewestOfEach(t *testing.T) {
	t.Parallel()
	h := history(filepath.Join(t.TempDir(), "drills.jsonl"))
	if all, err := h.read(); err != nil || all != nil {
		t.Fatalf("a history that is not there yet: %v, %v", all, err)
	}
	detect := seconds(1.5)
	for _, r := range []result{
		{Case: "kill-task", Commit: "a", Via: "mesh", figures: figures{Sent: 1}},
		{Case: "kill-node", Commit: "a", Via: "mesh", figures: figures{Sent: 2}, Detect: &detect},
		{Case: "kill-task", Commit: "b", Via: "mesh", figures: figures{Sent: 3}},
		{Case: "kill-task", Commit: "b", Via: "edge", figures: figures{Sent: 4}},
	} {
		if err := h.add(r); err != nil {
			t.Fatal(err)
		}
	}
	all, err := h.read()
	if err != nil {
		t.Fatal(err)
	}
	for commit, want := range map[string]string{"": "kill-task 3 kill-task via edge 4 kill-node 2", "a": "kill-task 1 kill-node 2"} {
		var got []string
		for _, r := range newest(all, commit, variants(all)) {
			got = append(got, r.name(), strings.Fields(r.row()[1])[2])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("newest of commit %q: %q, want %q", commit, got, want)
		}
	}
}

func TestTheTableIsMarkdown(t *testing.T) {
	t.Parallel()
	detect, strength := seconds(1.5), seconds(40)
	var out bytes.Buffer
	writeTable(&out, []result{
		{Case: "kill-task", OK: true, figures: figures{Sent: 5000, Failed: 3, Stretch: 1.5}, Detect: &detect, Strength: &strength, Via: "mesh"},
		{Case: "db-restart", figures: figures{Sent: 10}, Missed: []string{"1 replicas replaced"}, Via: "mesh"},
	})
	want := `| fault      | failed of sent | longest stretch | detected | full strength | lost | held against the aim        |
|------------|----------------|-----------------|----------|---------------|------|-----------------------------|
| kill-task  | 3 of 5000      | 1.5 s           | 1.5 s    | 40 s          | 0    | ok                          |
| db-restart | 0 of 10        | 0 s             | –        | –             | 0    | MISSED: 1 replicas replaced |
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

// `all` goes on where it was stopped; another commit, rate or way begins anew.
func TestAllResumes(t *testing.T) {
	t.Parallel()
	f := flags{commit: "a", rate: 40}
	past := []result{
		{Case: "kill-task", Commit: "a", Via: "mesh", Rate: 40, figures: figures{Sent: 7}},
		{Case: "hang-task", Commit: "a", Via: "mesh", Rate: 40, Error: "not within 10m0s"},
		{Case: "oom-task", Commit: "b", Via: "mesh", Rate: 40},
		{Case: "scale", Commit: "a", Via: "edge", Rate: 40},
	}
	for _, d := range catalog {
		got := done(past, d, f)
		if (got != nil) != (d.name == "kill-task") {
			t.Errorf("%s was done: %+v", d.name, got)
		}
	}
}

func TestMisuseNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"explode"}, {"kill-task", "explode"}, {"--explode"}} {
		var out bytes.Buffer
		if _, err := command(context.Background(), args, &out, &out); err == nil || !strings.Contains(err.Error(), "explode") {
			t.Errorf("drill %v = %v, want an error that names it", args, err)
		}
	}
}

func TestListAndTableNeedNoLab(t *testing.T) {
	t.Parallel()
	var list bytes.Buffer
	if ok, err := command(context.Background(), []string{"--list"}, &list, os.Stderr); !ok || err != nil || strings.Count(list.String(), "\n") != len(everything()) {
		t.Errorf("--list = %v, %v: %s", ok, err, list.String())
	}
	for _, args := range [][]string{{"--table"}, {"--compare", "abc"}} {
		var table bytes.Buffer
		ok, err := command(context.Background(), append(args, "--history", "/nowhere"), &table, os.Stderr)
		if !ok || err != nil || strings.Count(table.String(), "\n") != 2 {
			t.Errorf("%v = %v, %v: %s", args, ok, err, table.String())
		}
	}
}

func TestTwoCommitsAreCompared(t *testing.T) {
	t.Parallel()
	past := []result{
		{Case: "kill-task", Commit: "a", Via: "mesh", figures: figures{Sent: 1}},
		{Case: "kill-task", Commit: "b", Via: "mesh", figures: figures{Sent: 2}},
		{Case: "scale", Commit: "b", Via: "mesh", figures: figures{Sent: 3}},
	}
	var got []string
	for _, r := range compared(past, "a", "b") {
		got = append(got, r.Case, strings.Fields(r.row()[1])[2])
	}
	if want := "kill-task @a 1 kill-task @b 2 scale @b 3"; strings.Join(got, " ") != want {
		t.Errorf("compared: %q, want %q", got, want)
	}
}

func TestASecondTryCountsUnlessAWriteWasLost(t *testing.T) {
	t.Parallel()
	missed, fine, other := result{Case: "kill-node"}, result{Case: "kill-node", OK: true}, result{Case: "kill-task", OK: true}
	lost := result{Case: "kill-node"}
	lost.Lost = 1
	for _, c := range []struct {
		what    string
		results []result
		want    bool
	}{
		{"all reached their aims", []result{other, fine}, true},
		{"the second try did", []result{other, missed, fine}, true},
		{"neither did", []result{missed, missed}, false},
		{"the next drill's success is its own", []result{missed, other}, false},
		{"a lost write is never forgiven", []result{lost, fine}, false},
	} {
		if got := passed(c.results); got != c.want {
			t.Errorf("%s: passed is %v", c.what, got)
		}
	}
}
