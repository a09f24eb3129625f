package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// verbDeploy: the image is the one asked for, of a release before, or the place's own.
func (d *deployment) verbDeploy(ctx context.Context, f flags, out io.Writer) (err error) {
	d.image = cmp.Or(f.image, d.place.settings["IMAGE"])
	if len(f.rest) > 0 {
		if d.image, err = d.find(ctx, f.rest[0]); err != nil {
			return d.refuse(f, out, err)
		}
	}
	return d.report(f, out, d.deploy(ctx, out))
}

// find gives the image of a version, a digest, or an image. A version is looked for in the
// records of this place; no registry is asked.
func (d *deployment) find(ctx context.Context, version string) (string, error) {
	if strings.ContainsAny(version, "@/:") {
		return version, nil
	}
	all, err := releases(ctx, d.swarm, d.place.stack())
	if err != nil {
		return "", err
	}
	for _, r := range all {
		if r.is(version) {
			return r.Image, nil
		}
	}
	return "", fmt.Errorf("%s was never here; ./scripts/run.sh releases %s lists what was, and an image by digest goes as well", version, d.place.name)
}

// verbCheck says everything that a deploy would refuse. readPlace has found the rest.
func (d *deployment) verbCheck(ctx context.Context) error {
	// A place need not name an image, but its stack's files cannot be rendered without one.
	d.image = d.place.text("IMAGE", "registry.example/minitwit@sha256:"+strings.Repeat("0", 64))
	if err := d.preflight(ctx); err != nil {
		return err
	}
	d.say.step("%s is complete", d.place.name)
	return nil
}

// verbRollback goes to the release before the one that runs, or to one that was here and
// went well.
func (d *deployment) verbRollback(ctx context.Context, f flags, out io.Writer) error {
	runs, all, err := d.history(ctx)
	if err != nil {
		return d.refuse(f, out, err)
	}
	r, found := before(all, runs)
	if len(f.rest) > 0 {
		r, found = good(all, func(r record) bool { return r.is(f.rest[0]) })
	}
	if !found {
		return d.refuse(f, out, fmt.Errorf("no release to go back to; ./scripts/run.sh releases %s lists what was here", d.place.name))
	}
	d.image, d.quick = r.Image, true
	return d.report(f, out, d.deploy(ctx, out))
}

// verbPromote deploys to a second place what runs in the first, by the same digest: what
// was tried there and nothing else. Where a version is named, it has to be that one.
func (d *deployment) verbPromote(ctx context.Context, f flags, out io.Writer) error {
	if len(f.rest) < 1 || len(f.rest) > 2 {
		return failure{exitUsage, "promote", errors.New("from which place to which? As staging production")}
	}
	r, err := d.running(ctx)
	if err != nil {
		return d.refuse(f, out, err)
	}
	if len(f.rest) == 2 && !r.is(f.rest[1]) {
		return d.refuse(f, out, fmt.Errorf("%s runs %s (%s) by now, not %s", d.place.name, r.Version, short(r.Image), f.rest[1]))
	}
	to, err := open(f, f.rest[0], d.say)
	if err != nil {
		return d.refuse(f, out, err)
	}
	defer to.close()
	to.image, to.version = r.Image, r.Version
	return to.report(f, out, to.deploy(ctx, out))
}

// running gives the record of the release that runs. It fails where that was not deployed well.
func (d *deployment) running(ctx context.Context) (record, error) {
	runs, all, err := d.history(ctx)
	if err != nil {
		return record{}, err
	}
	// Not the newest record: after a deploy that failed, the release before runs again.
	r, found := good(all, func(r record) bool { return r.Image == runs })
	if !found {
		return r, fmt.Errorf("no deploy of what runs in %s went well; ./scripts/run.sh releases %s says how they ended", d.place.name, d.place.name)
	}
	return r, nil
}

// history gives the image that runs, and all records.
func (d *deployment) history(ctx context.Context) (runs string, all []keptRecord, err error) {
	v, err := d.swarm.look(ctx, d.place.stack())
	if err != nil {
		return "", nil, err
	}
	all, err = releases(ctx, d.swarm, d.place.stack())
	return v.services["api"].image(), all, err
}

// verbReleases lists what was deployed. --json gives all of every record.
func (d *deployment) verbReleases(ctx context.Context, f flags, out io.Writer) error {
	all, err := releases(ctx, d.swarm, d.place.stack())
	if err != nil {
		return err
	}
	if f.json {
		return json.NewEncoder(out).Encode(all)
	}
	return writeReleases(out, all)
}
