package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var valid = []string{
	"DATABASE_URL=postgres://u:hunter2@db/minitwit?sslmode=verify-full",
	"SESSION_KEY=" + strings.Repeat("s", 32),
	"PASSWORD_KEY=" + strings.Repeat("p", 32),
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultsSuffice(t *testing.T) {
	t.Parallel()
	c, err := Load(append(valid, "DASHBOARDS_URL=https://grafana.example/", "RUNBOOKS_URL=")) // as stack.yml sets what a place leaves out
	if err != nil || c.CheckServe(true) != nil {
		t.Fatalf("Load = %v, CheckServe = %v", err, c.CheckServe(true))
	}
	if c.WebAddr != ":5000" || c.APIAddr != ":5001" || c.OpsAddr != ":9100" || c.Drain != 5*time.Second {
		t.Errorf("defaults are %+v", c)
	}
}

func TestASecretFileIsReadAndTrimmed(t *testing.T) {
	t.Parallel()
	c, err := Load([]string{"SESSION_KEY_FILE=" + file(t, " swarm-secret\n")})
	if err != nil || c.SessionKey != "swarm-secret" {
		t.Errorf("SessionKey = %q, %v, want swarm-secret", c.SessionKey, err)
	}
}

func TestErrorsNameTheVariableAndNotTheValue(t *testing.T) {
	t.Parallel()
	path := file(t, "x")
	for _, c := range []struct {
		env  []string
		want string
	}{
		{[]string{"SESSION_KEY=hunter2", "SESSION_KEY_FILE=" + path}, "SESSION_KEY and SESSION_KEY_FILE"},
		{[]string{"SESSION_KEY_FILE=/does/not/exist"}, "SESSION_KEY_FILE"},
		{[]string{"SIMULATOR_CREDENTIALS_FILE=" + file(t, " \n")}, "SIMULATOR_CREDENTIALS_FILE"}, // not the default, which is public
		{[]string{"DATABASE_POOL=hunter2"}, "DATABASE_POOL"},
		{[]string{"DRAIN=hunter2"}, "DRAIN"},
		{[]string{"LOG_LEVEL=hunter2"}, "LOG_LEVEL"},
	} {
		_, err := Load(c.env)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Load(%q) = %v, want an error with %s and without hunter2", c.env, err, c.want)
		}
	}
}

func TestCheckServeListsAllThatIsWrong(t *testing.T) {
	t.Parallel()
	c, err := Load([]string{
		"SESSION_KEY=hunter2", "PASSWORD_KEY_PREVIOUS=hunter2", "DATABASE_POOL=0", "DATABASE_TIMEOUT=50ms", "DATABASE_CONNECTIONS=-1",
		"BCRYPT_COST=9", "MAX_IN_FLIGHT=-1",
		"SIMULATOR_CREDENTIALS=hunter2", "LOG_FORMAT=xml", "DRAIN=-1s",
		"DASHBOARDS_URL=https://admin:hunter2@grafana", "PROMETHEUS_URL=prometheus:9090", "RUNBOOKS_URL=javascript:hunter2", "ALERTMANAGER_URL=http://",
	})
	if err != nil {
		t.Fatal(err)
	}
	wrong := fmt.Sprint(c.CheckServe(true))
	for _, name := range []string{
		"DATABASE_URL", "SESSION_KEY is shorter", "PASSWORD_KEY is not set", "PASSWORD_KEY_PREVIOUS is shorter", "DATABASE_POOL", "DATABASE_TIMEOUT",
		"DATABASE_CONNECTIONS", "BCRYPT_COST", "MAX_IN_FLIGHT", "SIMULATOR_CREDENTIALS", "LOG_FORMAT", "DRAIN",
		"DASHBOARDS_URL holds credentials", "PROMETHEUS_URL is not", "RUNBOOKS_URL is not", "ALERTMANAGER_URL is not",
	} {
		if !strings.Contains(wrong, name) {
			t.Errorf("CheckServe does not mention %s:\n%s", name, wrong)
		}
	}
	if strings.Contains(wrong, "hunter2") {
		t.Errorf("CheckServe shows a secret:\n%s", wrong)
	}
}

func TestTheAPINeedsNoSessionKey(t *testing.T) {
	t.Parallel()
	c, err := Load([]string{valid[0], valid[2]})
	if err != nil || c.CheckServe(false) != nil || c.CheckServe(true) == nil {
		t.Errorf("without SESSION_KEY: %v, for the API %v, for the UI %v; want an error for the UI alone",
			err, c.CheckServe(false), c.CheckServe(true))
	}
}

func TestTheDatabaseURLHasToSayHowItIsEncrypted(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                                   "not set",
		"mysql://u@db/x?sslmode=disable":     "not a postgres:// URL",
		"host=db sslmode=disable":            "not a postgres:// URL",
		"postgres://u@db/minitwit":           "sslmode",
		"postgres://u@db/x?sslmode=disable":  "<nil>",
		"postgresql://u@db/x?sslmode=prefer": "<nil>",
	} {
		if got := fmt.Sprint(Config{DatabaseURL: url}.CheckDatabase()); !strings.Contains(got, want) {
			t.Errorf("CheckDatabase(%q) = %q, want %q", url, got, want)
		}
	}
}

func TestMaskedShowsNoSecret(t *testing.T) {
	t.Parallel()
	c, err := Load(append(valid, "SIMULATOR_CREDENTIALS=simulator:hunter2", "DATABASE_PASSWORD=hunter2"))
	if err != nil {
		t.Fatal(err)
	}
	shown := c.Masked()
	text := fmt.Sprint(shown)
	for _, secret := range []string{"hunter2", strings.Repeat("s", 32), strings.Repeat("p", 32)} {
		if strings.Contains(text, secret) {
			t.Errorf("Masked shows %q: %s", secret, text)
		}
	}
	if shown["DATABASE_URL"] != "(set)" || shown["DRAIN"] != "5s" || shown["SESSION_KEY_PREVIOUS"] != "" {
		t.Errorf("Masked = %v", shown)
	}
}

// README.md holds the table of settings that operators read.
func TestTheTableInTheReadmeListsEverySetting(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range Settings() {
		row := fmt.Sprintf("| `%s` | %s | %s |", s.Name, code(s.Default), s.Doc)
		if s.Secret {
			row = fmt.Sprintf("| `%s` (secret) | %s | %s |", s.Name, code(s.Default), s.Doc)
		}
		if !strings.Contains(string(content), row) {
			t.Errorf("README.md lacks this row:\n%s", row)
		}
	}
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}
