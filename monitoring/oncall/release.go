package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"minitwit/monitoring/exporter/manager"
)

// releaseLabel is on the configs in which run.sh deploy keeps its records, with the name
// of the stack.
const releaseLabel = "minitwit.release"

// release is of such a record what on-call wants to know. Result is "ok", "undone",
// "refused", "interrupted" or "unknown", as stack/deploy writes it.
type release struct {
	Version string    `json:"version"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	Result  string    `json:"result"`
	Message string    `json:"message"`
}

// newestRelease gives the last deploy of a stack by the verb, or nothing where there was
// none or this manager does not let us see configs. A record that cannot be read is passed
// over.
func newestRelease(ctx context.Context, m *manager.Manager, stack string) (newest release) {
	found, err := m.ConfigList(ctx, client.ConfigListOptions{Filters: client.Filters{}.Add("label", releaseLabel+"="+stack)})
	if err != nil {
		return release{}
	}
	var made time.Time // by the managers' clock: At is by those of whoever deployed
	for _, c := range found.Items {
		var r release
		if json.Unmarshal(c.Spec.Data, &r) == nil && (newest.At.IsZero() || c.CreatedAt.After(made)) {
			newest, made = r, c.CreatedAt
		}
	}
	return newest
}

// check says it. That a deploy failed and was undone is no fault of what runs.
func (r release) check() []check {
	if r.At.IsZero() {
		return nil
	}
	words := map[string]string{"ok": "went well", "undone": "failed and was undone", "refused": "was refused", "interrupted": "was interrupted", "unknown": "ended in a state that nobody knows"}
	c := check{Case: lastDeploy, Aim: "went well, or was undone", State: fine, Since: &r.At}
	if r.Result == "unknown" {
		c.State = broken
	}
	c.Found = fmt.Sprintf("%s by %s %s", r.Version, r.By, words[r.Result])
	if why, _, _ := strings.Cut(r.Message, "\n"); why != "" {
		c.Found += ": " + why
	}
	c.Found = line(c.Found)
	return []check{c}
}
