package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

func secretFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDeadmanRefusesBadUsage(t *testing.T) {
	t.Parallel()
	url := []string{"--place", "lab", "--page-url", "http://pager/hunter2"}
	with := func(more ...string) []string { return append(append([]string{}, url...), more...) }
	for _, tc := range []struct {
		args, env []string
		want      string
	}{
		{with("more"), nil, `unexpected argument "more"`},
		{[]string{"--place", "lab"}, nil, "nobody to page"},
		{url[2:], nil, "--place is not given"},
		{with("--page-url", "pager/hunter2"), nil, "--page-url is not an http"},
		{with("--page-url-file", secretFile(t, "http://pager")), nil, "--page-url is given twice"},
		{with("--pagerduty-key-file", secretFile(t, "\n")), nil, "is empty"},
		{with("--pagerduty-key-file", "/does/not/exist"), nil, "no such file"},
		{with("--pagerduty-key-file", secretFile(t, "key"), "--pagerduty-url", "x"), nil, "--pagerduty-url is not an http"},
		{with("--timeout", "0s"), nil, "--timeout"},
		{with("--confirm", "-1s"), nil, "--confirm"},
		{with("--confirm", "0s"), nil, "--confirm"},
		{url, []string{"DEADMAN_TOKEN=hunter2", "DEADMAN_TOKEN_FILE=/x"}, "DEADMAN_TOKEN is given twice"},
		{url, []string{"DEADMAN_TOKEN_FILE=" + secretFile(t, "")}, "is empty"},
		{url, []string{"LOG_LEVEL=hunter2"}, "LOG_LEVEL"},
		{with("--addr", "256.0.0.1:1"), nil, "listen"},
	} {
		var said bytes.Buffer
		err := deadmanCommand(t.Context(), tc.args, stdio{Out: io.Discard, Err: &said, Env: tc.env})
		if err == nil || !strings.Contains(err.Error()+said.String(), tc.want) || strings.Contains(err.Error()+said.String(), "hunter2") {
			t.Errorf("deadman %q %q = %v %s, want an error with %q and without hunter2", tc.args, tc.env, err, &said, tc.want)
		}
	}
	if err := deadmanCommand(t.Context(), []string{"-h"}, stdio{Err: io.Discard}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("deadman -h = %v", err)
	}
}

// From the command line to a page: nobody beats.
func TestDeadmanPages(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	pages := make(chan string, 10)
	pager := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		pages <- string(body)
	}))
	t.Cleanup(pager.Close)
	var said bytes.Buffer
	done := make(chan error, 1)
	go func() {
		done <- deadmanCommand(ctx, []string{
			"--place", "lab", "--addr", "127.0.0.1:0", "--timeout", "1s", "--page-url-file", secretFile(t, pager.URL+"/hunter2\n"),
			"--pagerduty-key-file", secretFile(t, "hunter2\n"), "--pagerduty-url", pager.URL,
		}, stdio{Err: zerolog.SyncWriter(&said), Env: []string{"DEADMAN_TOKEN_FILE=" + secretFile(t, "hunter2\n")}})
	}()
	for range 2 {
		if got := <-pages; !strings.Contains(got, "[PAGE] lab: monitoring is dead, no heartbeat for") {
			t.Errorf("the page is %s", got)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("deadman ends with %v", err)
	}
	if log := said.String(); strings.Contains(log, "hunter2") || !strings.Contains(log, "page delivered") {
		t.Errorf("the log has a secret, or not what was delivered:\n%s", log)
	}
}
