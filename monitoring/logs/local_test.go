package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// folder holds the logs of a service that was restarted ten minutes ago.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	ago := func(d time.Duration) string { return time.Now().Add(-d).Format(time.DateTime) }
	write(t, dir, "web.log.1", ago(time.Hour)+" INF request request_id=r1\n"+ago(15*time.Minute)+" ERR request request_id=r2\n")
	write(t, dir, "web.log", ago(9*time.Minute)+" INF request request_id=r3\n"+ago(8*time.Minute)+" WRN refused request_id=r4\n")
	write(t, dir, "api.log", fmt.Sprintf(`{"level":"info","request_id":"r4","time":%q,"message":"request"}`+"\n",
		time.Now().Add(-7*time.Minute).Format(time.RFC3339)))
	write(t, dir, "db.log", time.Now().UTC().Format("2006-01-02 15:04:05.000 UTC")+" [1] minitwit ERROR:  gone\nSTATEMENT:  SELECT 1\n")
	return dir
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheSameQuestionsAreAnsweredFromFiles(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	for _, c := range []struct{ args, want string }{
		{"-since 2h", "r1 r2 r3 r4 r4 ERROR: STATEMENT:"},
		{"-since 20m", "r2 r3 r4 r4 ERROR: STATEMENT:"},
		{"-since 20m -lines 3", "r4 ERROR: STATEMENT:"},
		{"-since 2h web", "r1 r2 r3 r4"},
		{"-since 2h -errors", "r2 ERROR:"},
		{"-since 2h -request r4", "r4 r4"},
		{"-since 2h -request r", ""},
		{"-since 2h nothing web", "r1 r2 r3 r4"},
	} {
		var out strings.Builder
		if err := run(t.Context(), append([]string{"-local", dir}, strings.Fields(c.args)...), os.Getenv, &out); err != nil {
			t.Errorf("%s: %v", c.args, err)
		}
		var got []string
		for word := range strings.FieldsSeq(out.String()) {
			if id, ok := strings.CutPrefix(word, "request_id="); ok {
				got = append(got, id)
			} else if strings.HasSuffix(word, ":") {
				got = append(got, word)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s shows %v, want %s\n%s", c.args, got, c.want, &out)
		}
	}
}

// A program that dies at its start writes no time.
func TestTheLastWordsOfAStartAreShown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "web.log", "fatal error: out of memory\ngoroutine 1\n")
	var out strings.Builder
	if err := run(t.Context(), []string{"-local", dir, "-since", "1m"}, os.Getenv, &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "out of memory") || !strings.Contains(out.String(), "goroutine 1") {
		t.Errorf("printed %q", &out)
	}
}

func TestWhereNothingRanThereIsNoLog(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), []string{"-local", t.TempDir()}, os.Getenv, &strings.Builder{})
	if err == nil || !strings.Contains(err.Error(), "no log yet") {
		t.Errorf("an empty folder: %v", err)
	}
}

// A file is replaced when its service starts again, and its last line may be half
// written.
func TestAFileIsFollowed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Now().Format(time.DateTime)
	l := &local{dir: dir}
	q := query{since: time.Hour, lines: 10}
	write(t, dir, "web.log", now+" INF one\n"+now+" INF tw")
	var got []string
	step := func(ask func() ([]entry, error)) {
		t.Helper()
		found, err := ask()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range found {
			got = append(got, e.message)
		}
		got = append(got, "|")
	}
	news := func() ([]entry, error) { return l.news(t.Context(), q) }
	step(func() ([]entry, error) { return l.find(t.Context(), q) })
	step(news)
	write(t, dir, "web.log", now+" INF one\n"+now+" INF two\n")
	step(news)
	write(t, dir, "web.log", now+" INF new\n")
	write(t, dir, "api.log", now+" INF api\n")
	step(news)
	if want := "one | | two | new api |"; strings.Join(got, " ") != want {
		t.Errorf("found %v, want %s", got, want)
	}
}

// burst is a source with n lines, to which n more come at once.
type burst struct {
	n    int
	stop func()
}

func (b *burst) find(context.Context, query) ([]entry, error) { return make([]entry, b.n), nil }

func (b *burst) news(context.Context, query) ([]entry, error) {
	defer func() { b.n = 0 }()
	b.stop()
	return make([]entry, b.n), nil
}

// --lines is for what is there already: whoever follows gets all that comes.
func TestABurstIsFollowedWhole(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out strings.Builder
	err := show(ctx, &burst{5, cancel}, query{lines: 2, follow: true}, printer{out: bufio.NewWriter(&out)})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(out.String(), "\n"); got != 2+5 {
		t.Errorf("%d lines were printed, want 2 that were there and 5 that came", got)
	}
}
