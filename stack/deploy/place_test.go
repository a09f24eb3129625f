package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// folder makes a place of files; what is not there is as config init makes it.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	whole := map[string]string{"place.env": "", "database.url": "postgres://x\n", "password.key": "p\n", "session.key": "s\n"}
	for name, content := range files {
		whole[name] = content
	}
	for name, content := range whole {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAPlaceIsWhatItsFolderSays(t *testing.T) {
	t.Setenv("NETWORK_MTU", "9000") // of whoever deploys, not of the place
	t.Setenv("HOME", "/home/anna")
	dir := folder(t, map[string]string{"place.env": "# of ours\n MANAGERS = no\nMANAGERS=ssh://a ssh://b\nDASHBOARDS_URL='https://x/#y'\nSOAK_SECONDS=5\n"})
	_, err := readPlace("../..", dir, "staging", nil)
	if err == nil || !strings.Contains(err.Error(), "line 2 is not NAME=value") {
		t.Errorf("a line that is none: %v", err)
	}
	dir = folder(t, map[string]string{"place.env": "MANAGERS=ssh://a ssh://b\nDASHBOARDS_URL='https://x/#y'\nSOAK_SECONDS=5\n"})
	p, err := readPlace("../..", dir, "staging", []string{"API_PORT=5101"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.managers(), []string{"ssh://a", "ssh://b"}) || p.seconds("SOAK_SECONDS") != 5*time.Second || p.seconds("STALL_SECONDS") != 2*time.Minute {
		t.Errorf("managers %v, soak %v, stall %v", p.managers(), p.seconds("SOAK_SECONDS"), p.seconds("STALL_SECONDS"))
	}
	env := p.environment(map[string]string{"IMAGE": "i"})
	for _, want := range []string{
		"IMAGE=i", "API_PORT=5101", "DASHBOARDS_URL=https://x/#y", "HOME=/home/anna",
		"SESSION_KEY_FILE=" + filepath.Join(dir, "session.key"), "SESSION_KEY_PREVIOUS_FILE=" + filepath.Join(dir, "session.key"),
		"PASSWORD_KEY_PREVIOUS_FILE=" + filepath.Join(dir, "password.key"),
		"PASSWORD_KEY_SHA=fd6641673e7f", // printf 'p\n' | sha256sum
	} {
		if !slices.Contains(env, want) {
			t.Errorf("the environment lacks %q:\n%s", want, strings.Join(env, "\n"))
		}
	}
	if slices.Contains(env, "NETWORK_MTU=9000") {
		t.Error("a setting of the caller's shell came in")
	}
	if got := p.files(); len(got) != 2 || filepath.Base(got[1]) != "staging.yml" {
		t.Errorf("files %v, want stack.yml and the overlay of the place", got)
	}
}

func TestAPlaceSaysAllThatIsWrongAtOnce(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"place.env": "API_PORT=http\nSIMULATOR_CREDENTIALS_FILE=nowhere\n", "password.key": " \n"})
	if err := os.Chmod(filepath.Join(dir, "session.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := readPlace("../..", dir, "lab", nil)
	for _, want := range []string{`API_PORT is "http"`, "nowhere: no such file", "password.key is empty", "session.key can be read by others: chmod 600"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("it does not say %q:\n%v", want, err)
		}
	}
	dir = folder(t, map[string]string{
		"place.env": "MANAGERS=ssh://root@HOST\n", "database.url": "postgres://minitwit:PASSWORD@HOST:5432/minitwit?sslmode=verify-full\n",
	})
	_, err = readPlace("../..", dir, "production", nil)
	for _, want := range []string{`MANAGERS is "ssh://root@HOST"`, "database.url is the example"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("of what was not filled in it does not say %q:\n%v", want, err)
		}
	}
	if _, err := readPlace("../..", filepath.Join(dir, "none"), "none", nil); err == nil || !strings.Contains(err.Error(), "config init none") {
		t.Errorf("no folder: %v", err)
	}
}

// Without production.yml the API would take credentials that everybody knows.
func TestAPlaceHasToSayWhatStandsOnTopOfTheStack(t *testing.T) {
	t.Parallel()
	_, err := readPlace("../..", folder(t, nil), "prod", nil)
	if err == nil || !strings.Contains(err.Error(), "OVERLAYS=stack/production.yml") {
		t.Errorf("a place without an overlay: %v", err)
	}
	for overlays, want := range map[string]int{"": 1, "stack/production.yml stack/edge.yml": 3} {
		p, err := readPlace("../..", folder(t, map[string]string{"place.env": "OVERLAYS=" + overlays + "\n"}), "prod", nil)
		if err != nil || len(p.files()) != want {
			t.Errorf("OVERLAYS=%s: %v, %v, want %d files", overlays, p.files(), err, want)
		}
	}
}

// A name that place.env kept would be that of an older clone's file.
func TestAConfigIsNamedByWhatTheCloneHolds(t *testing.T) {
	t.Parallel()
	p, err := readPlace("../..", folder(t, map[string]string{"place.env": "HAPROXY_CFG_SHA=000000000000\n"}), "staging", nil)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile("../edge/haproxy.cfg")
	if err != nil || p.settings["HAPROXY_CFG_SHA"] != shortSHA(content) {
		t.Errorf("HAPROXY_CFG_SHA=%s, %v", p.settings["HAPROXY_CFG_SHA"], err)
	}
}

func TestAStackHasOnePlace(t *testing.T) {
	t.Parallel()
	of := func(name, env string) place {
		p, err := readPlace("../..", folder(t, map[string]string{"place.env": env}), name, nil)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	all := recordsOf(record{Place: "staging", Result: "undone"}, record{Place: "production", Result: "ok"})
	err := of("staging", "").owned(all)
	if err == nil || !strings.Contains(err.Error(), "stack minitwit is that of the place production") {
		t.Errorf("another place's stack: %v", err)
	}
	for what, err := range map[string]error{
		"its own":                                of("production", "").owned(all),
		"its own, renamed":                       of("staging", "PLACE=production\n").owned(all),
		"nobody's":                               of("staging", "").owned(nil),
		"of before places had a name in records": of("staging", "").owned(recordsOf(record{Result: "ok"})),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
