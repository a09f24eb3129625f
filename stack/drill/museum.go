package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// fault tells services of the image that can fail how to do it; onlyReal lets the
// rehearsal pass.
func fault(settings ...string) []string {
	return append([]string{"OVERLAYS=stack/lab.yml stack/lab/faults.yml"}, settings...)
}

// onlyReal makes a fault of what stands under its real name alone. Swarm fills in the template
// for each task, and the rehearsal's services have other names.
func onlyReal(service, fault string) string {
	return fmt.Sprintf(`FAULT_%s={{if eq .Service.Name "%s_%s"}}%s{{end}}`, strings.ToUpper(service), stackName, service, fault)
}

// museum is bad releases. Users shall see nothing of any of them.
var museum = []attempt{
	{name: "exits", what: "it ends at its start", image: faultyImage, set: fault("FAULT_API=exit", "FAULT_WEB=exit"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "crashes", what: "the first page view ends it", image: faultyImage, set: fault("FAULT_WEB=crash"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "unhealthy", what: "it is never healthy", image: faultyImage, set: fault("FAULT_API=unhealthy"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "late", what: "it dies 5 s after it was first healthy", image: faultyImage, set: fault("FAULT_API=late"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "fails", what: "every answer of the API is 500", image: faultyImage, set: fault("FAULT_API=fail"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "shape", what: "every answer of the API has another shape", image: faultyImage, set: fault("FAULT_API=shape"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "column", what: "it reads a column that no migration makes", image: faultyImage, set: fault("FAULT_API=column", "FAULT_WEB=column"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "slow", what: "every answer of the API takes 400 ms longer", image: faultyImage, set: fault("FAULT_API=slow"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "leaks", what: "it loses memory until the kernel ends it", image: faultyImage, set: fault("FAULT_API=leak"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "deaf", what: "it ignores SIGTERM", image: faultyImage, set: fault("FAULT_API=deaf"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "portless", what: "the UI is fine, and the API listens where nobody comes", image: faultyImage, set: fault("FAULT_API_ADDR=127.0.0.1:5001"), exit: 1, caught: "rehearsal", runs: "old"},
	{name: "wrong-secret", what: "the database's password is wrong", image: nextImage, set: []string{"DATABASE_URL_FILE=STATE/database.url.wrong"}, exit: 1, caught: "schema", runs: "old", before: wrongURL},
	{name: "no-secret", what: "a secret's file is missing", image: nextImage, set: []string{"PASSWORD_KEY_FILE=STATE/nowhere.key"}, exit: 3, caught: "preflight", runs: "old"},
	{name: "connections", what: "it wants more connections than the database allows", image: nextImage, set: []string{"DATABASE_POOL=90"}, exit: 1, caught: "schema", runs: "old"},
	{name: "arch", what: "it is for another processor", image: func(i images) string { return i.foreign }, exit: 1, caught: "schema", runs: "old"},
	{name: "absent", what: "no registry has it", image: absentImage, exit: 1, caught: "schema", runs: "old"},
	{name: "tag", what: "a tag instead of a digest", image: func(i images) string { name, _, _ := strings.Cut(i.next, "@"); return name + ":next" }, exit: 3, caught: "preflight", runs: "old"},
}

func absentImage(i images) string {
	name, _, _ := strings.Cut(i.current, "@")
	return name + "@sha256:" + strings.Repeat("0", 64)
}

// wrongURL writes the database's address with a password that is not its login's.
func wrongURL(_ context.Context, r *run) error {
	url, err := os.ReadFile(filepath.Join(r.lab.state, "database.url"))
	if err != nil {
		return err
	}
	user, rest, _ := strings.Cut(strings.TrimPrefix(string(url), "postgres://"), ":")
	_, host, _ := strings.Cut(rest, "@")
	// Private, or the preflight would refuse it before the schema could.
	return os.WriteFile(filepath.Join(r.lab.state, "database.url.wrong"), []byte("postgres://"+user+":guessed@"+host), 0o600) //nolint:gosec // in the state of the lab
}
