package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// record is what is kept of a deploy. It is a config of the Swarm, so that everybody who
// may deploy sees the same history, wherever they deploy from. monitoring/oncall reads these
// names as well. The result "unchanged" is told by --json alone: where nothing was done,
// nothing is kept.
type record struct {
	Place   string             `json:"place,omitempty"`
	Version string             `json:"version"`
	Image   string             `json:"image"`
	By      string             `json:"by"`
	At      time.Time          `json:"at"`
	Back    bool               `json:"back,omitempty"` // by rollback
	Result  string             `json:"result"`         // ok, undone, refused, unknown, interrupted
	Caught  string             `json:"caught,omitempty"`
	Message string             `json:"message,omitempty"`
	Seconds map[string]float64 `json:"seconds"`         // by phase
	Stack   string             `json:"stack"`           // as fingerprint gives it
	Specs   map[string]string  `json:"specs,omitempty"` // what Swarm runs since, by service: specsOf
}

// resultOK is the only result that a rollback or a promotion trusts. recordLabel finds the records,
// here and in monitoring/oncall; its value is the stack's name. recordMessageSize is in bytes.
const (
	resultOK          = "ok"
	recordsKept       = 20
	recordLabel       = "minitwit.release"
	recordMessageSize = 2000
)

const sha256Prefix = "sha256:"

// blame writes down why a deploy failed, if it did.
func (r *record) blame(failed error) {
	var f failure
	if errors.As(failed, &f) {
		r.Caught, r.Message = f.caught, f.err.Error()
		r.Result = map[int]string{exitUndone: "undone", exitUsage: "refused", exitRefused: "refused", exitLocked: "refused", exitUnknown: "unknown", exitInterrupted: "interrupted"}[f.code]
	}
}

// is tells whether people mean this release: its version, its image, or its digest or the
// beginning of it, 6 characters or more.
func (r record) is(version string) bool {
	_, whole, _ := strings.Cut(r.Image, "@"+sha256Prefix)
	digest := strings.TrimPrefix(version, sha256Prefix)
	return r.Version == version || r.Image == familiar(version) || len(digest) >= 6 && strings.HasPrefix(whole, digest)
}

// keep writes a record down and removes the oldest above recordsKept; the newest that went
// well stays. r is a copy: the message is cut in what is kept, not in what --json prints.
func (r record) keep(ctx context.Context, m *managers, stack string) error {
	if len(r.Message) > recordMessageSize {
		r.Message = strings.ToValidUTF8(r.Message[:recordMessageSize], "")
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	err = tell(ctx, m, func(ctx context.Context, c *client.Client) error {
		_, err := c.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: swarm.ConfigSpec{
			Annotations: swarm.Annotations{
				Name:   fmt.Sprintf("%s_release_%d", stack, r.At.UnixMilli()),
				Labels: map[string]string{recordLabel: stack},
			},
			Data: data,
		}})
		if cerrdefs.IsConflict(err) { // the answer to the request before was lost
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return forgetOld(ctx, m, stack)
}

// keptRecord is a record with the manager's time of it: clients' clocks do not matter.
type keptRecord struct {
	id   string
	made time.Time
	record
}

// releases gives the records, the newest first.
func releases(ctx context.Context, m *managers, stack string) ([]keptRecord, error) {
	found, err := ask(ctx, m, func(ctx context.Context, c *client.Client) (client.ConfigListResult, error) {
		return c.ConfigList(ctx, client.ConfigListOptions{Filters: client.Filters{}.Add("label", recordLabel+"="+stack)})
	})
	if err != nil {
		return nil, err
	}
	all := []keptRecord{} // JSON of none is [], not null
	for _, c := range found.Items {
		r := keptRecord{id: c.ID, made: c.CreatedAt}
		if err := json.Unmarshal(c.Spec.Data, &r.record); err != nil {
			return nil, fmt.Errorf("config %s: %w", c.Spec.Name, err)
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b keptRecord) int { return b.made.Compare(a.made) })
	return all, nil
}

// good finds the newest record that went well and is wanted.
func good(all []keptRecord, wanted func(record) bool) (record, bool) {
	for _, r := range all {
		if r.Result == resultOK && wanted(r.record) {
			return r.record, true
		}
	}
	return record{}, false
}

// owned refuses a stack that another place was deployed to last: without a STACK of its own a
// place that shares a Swarm would take over the other's services, its database and keys included.
func (p place) owned(all []keptRecord) error {
	last, found := good(all, func(record) bool { return true })
	if !found || last.Place == "" || last.Place == p.called() {
		return nil
	}
	return fmt.Errorf("stack %s is that of the place %s: give %s another by STACK in place.env; if it is the same place under a new name, PLACE=%s says so",
		p.stack(), last.Place, p.name, last.Place)
}

// checkOwner reads the records, and refuses a stack that is another place's.
func (d *deployment) checkOwner(ctx context.Context) (err error) {
	if d.past, err = releases(ctx, d.swarm, d.place.stack()); err != nil {
		return err
	}
	return d.place.owned(d.past)
}

// before gives the newest release that went well before the one that runs came, and is
// another. Going back twice leads further back, not forth again.
func before(all []keptRecord, runs string) (record, bool) {
	came := slices.IndexFunc(all, func(r keptRecord) bool { return r.Result == resultOK && r.Image == runs && !r.Back })
	if _, back := good(all, func(r record) bool { return r.Image == runs }); came < 0 && back {
		return record{}, false // its own deploy is forgotten, and all that is kept is newer
	}
	// -1 where what runs was set by hand: then the newest that went well is the one before.
	return good(all[came+1:], func(r record) bool { return r.Image != runs })
}

// forgetOld removes what is more than recordsKept, but never the newest that went well, with
// which the next deploy compares, nor the newest of another image, to which it can be rolled back.
func forgetOld(ctx context.Context, m *managers, stack string) error {
	all, err := releases(ctx, m, stack)
	if err != nil {
		return err
	}
	newest, _ := good(all, func(record) bool { return true })
	other, _ := good(all, func(r record) bool { return r.Image != newest.Image })
	var failed []error
	for i, r := range all {
		if i < recordsKept || r.At.Equal(newest.At) || r.At.Equal(other.At) {
			continue
		}
		failed = append(failed, tell(ctx, m, func(ctx context.Context, c *client.Client) error {
			_, err := c.ConfigRemove(ctx, r.id, client.ConfigRemoveOptions{})
			return err
		}))
	}
	return errors.Join(failed...)
}

// writeReleases prints the history as a table.
func writeReleases(out io.Writer, all []keptRecord) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WHEN (UTC)\tVERSION\tDIGEST\tRESULT\tSECONDS\tBY\tWHY")
	for _, r := range all {
		var seconds float64
		for _, s := range r.Seconds {
			seconds += s
		}
		why, _, _ := strings.Cut(r.Message, "\n")
		if r.Caught != "" {
			why = r.Caught + ": " + why
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.0f\t%s\t%.100s\n", r.At.UTC().Format("2006-01-02 15:04"), r.Version, short(r.Image), r.Result, seconds, r.By, why)
	}
	return w.Flush()
}

// short gives the beginning of an image's digest.
func short(image string) string {
	_, digest, _ := strings.Cut(image, "@"+sha256Prefix)
	return digest[:min(12, len(digest))]
}
