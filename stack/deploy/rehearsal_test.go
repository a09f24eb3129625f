package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// As docker stack config prints it.
const stackOf = `
version: "3.12"
services:
  api:
    command: [serve, --only, api]
    image: r/minitwit@sha256:bb
    environment: {DATABASE_POOL: "4"}
    healthcheck: {test: [CMD, /minitwit, healthcheck]}
    ports: [{mode: ingress, target: 5001, published: "5001", protocol: tcp}]
    secrets: [{source: database_url, uid: "65532", mode: 256}]
    deploy:
      replicas: 3
      update_config: {parallelism: 1}
      restart_policy: {condition: any}
      resources: {limits: {memory: "201326592"}}
  web:
    image: r/minitwit@sha256:bb
    ports: [{mode: ingress, target: 5000, published: 5000, protocol: tcp}]
    deploy: {replicas: 3}
  edge:
    image: r/haproxy@sha256:cc
    deploy: {replicas: 3}
networks:
  minitwit: {driver: overlay}
secrets:
  database_url: {name: minitwit_database_url_0123, file: /home/anna/database.url}
  bought: {name: bought, external: true}
`

func rehearsed(t *testing.T, replicas bool) map[string]any {
	t.Helper()
	r, err := parseRendered([]byte(stackOf))
	if err != nil {
		t.Fatal(err)
	}
	text, err := r.rehearsal("r/minitwit@sha256:bb", "x1", replicas)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := yaml.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestTheRehearsalStandsBesideTheStackAndTouchesNothingOfIt(t *testing.T) {
	t.Parallel()
	got := rehearsed(t, true)
	services := section(got, "services")
	if len(services) != 2 || services["edge"] != nil {
		t.Errorf("services %v, want those of the image", services)
	}
	for name, port := range map[string]int{"api": 15001, "web": 15000} {
		one := section(services, name)
		published := one["ports"].([]any)[0].(map[string]any)["published"]
		if published != port || section(one, "deploy")["replicas"] != 1 {
			t.Errorf("%s: port %v, replicas %v", name, published, section(one, "deploy")["replicas"])
		}
	}
	want := map[string]any{
		"database_url": map[string]any{"name": "rehearsal_minitwit_database_url_0123", "file": "/home/anna/database.url"},
		"bought":       map[string]any{"name": "bought", "external": true},
	}
	if d := cmp.Diff(want, section(got, "secrets")); d != "" {
		t.Errorf("secrets (-want +got):\n%s", d)
	}
	if d := cmp.Diff(map[string]any{"minitwit": map[string]any{"driver": "overlay", "name": "rehearsal_x1_minitwit"}}, section(got, "networks")); d != "" {
		t.Errorf("networks (-want +got):\n%s", d)
	}
}

func TestTheSchemaIsTheImagesOwnBusinessOnEachNode(t *testing.T) {
	t.Parallel()
	got := rehearsed(t, false)
	want := map[string]any{"schema": map[string]any{
		"command": []any{"migrate", "up"}, "image": "r/minitwit@sha256:bb", "environment": map[string]any{"DATABASE_POOL": "4"},
		"healthcheck": map[string]any{"disable": true},
		"secrets":     []any{map[string]any{"source": "database_url", "uid": "65532", "mode": 256}},
		"deploy": map[string]any{
			"mode": "global-job", "restart_policy": map[string]any{"condition": "none"},
			"resources": map[string]any{"limits": map[string]any{"memory": "201326592"}},
		},
	}}
	if d := cmp.Diff(want, section(got, "services")); d != "" {
		t.Errorf("services (-want +got):\n%s", d)
	}
}

func TestTheFingerprintIsTheSameFromAnotherMachine(t *testing.T) {
	t.Parallel()
	of := func(stack string) string {
		r, err := parseRendered([]byte(stack))
		if err != nil {
			t.Fatal(err)
		}
		text, err := r.fingerprint()
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if d := cmp.Diff(of(stackOf), of(strings.ReplaceAll(stackOf, "/home/anna", "/home/bob"))); d != "" {
		t.Errorf("other paths change it:\n%s", d)
	}
	if of(stackOf) == of(strings.ReplaceAll(stackOf, "_0123", "_4567")) {
		t.Error("another secret does not change it")
	}
	if strings.Contains(of(stackOf), "anna") {
		t.Error("the record would hold a path of the operator's machine")
	}
}

func TestAStackWithoutTheImageCannotBeRehearsed(t *testing.T) {
	t.Parallel()
	r, err := parseRendered([]byte(stackOf))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.rehearsal("r/other@sha256:dd", "x1", true); err == nil {
		t.Error("no error")
	}
	if _, err := parseRendered([]byte("version: '3'\n")); err == nil {
		t.Error("a stack of nothing: no error")
	}
}

func TestImagesAreNamedAsSwarmNamesThem(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]string{
		"docker.io/anna/minitwit@sha256:aa": "anna/minitwit@sha256:aa", "docker.io/library/minitwit@sha256:aa": "minitwit@sha256:aa",
		"registry.example/library/minitwit@sha256:aa": "registry.example/library/minitwit@sha256:aa", "anna/minitwit@sha256:aa": "anna/minitwit@sha256:aa",
	} {
		if got := familiar(image); got != want {
			t.Errorf("%s: %s, want %s", image, got, want)
		}
	}
}

// A key that nobody rotated comes from an old copy of the place's folder.
func TestADeployNamesTheSecretsThatChange(t *testing.T) {
	t.Parallel()
	stack := func(session, database string) rendered {
		r, err := parseRendered([]byte("services: {api: {image: i}}\nsecrets:\n  session_key: {name: " + session + "}\n  database_url: {name: " + database + "}\n"))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	old, err := stack("session_1", "database_1").fingerprint()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	d := &deployment{say: &progress{out: &said}, stack: stack("session_2", "database_1")}
	d.nameSecrets(record{Stack: string(old)})
	if !strings.Contains(said.String(), "session_key is another") || strings.Contains(said.String(), "database_url") {
		t.Errorf("it says %q, want session_key alone", said.String())
	}
	said.Reset()
	if d.nameSecrets(record{}); said.Len() > 0 {
		t.Errorf("of the first deploy it says %q", said.String())
	}
}
