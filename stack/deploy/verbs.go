package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// verbDeploy: the image is the one asked for, of a release before, or the place's own.
func (d *deployment) verbDeploy(ctx context.Context, f flags, out io.Writer) (err error) {
	d.image = d.place.settings["IMAGE"]
	if len(f.rest) > 0 {
		if d.image, err = d.find(ctx, f.rest[0]); err != nil {
			return d.refuse(ctx, f, out, err)
		}
	}
	return d.report(f, out, d.deploy(ctx, out))
}

// find gives the image of a version, a digest, or an image. A version is looked for in the
// records of this place; no registry is asked.
func (d *deployment) find(ctx context.Context, version string) (string, error) {
	if strings.ContainsAny(strings.TrimPrefix(version, sha256Prefix), "@/:") {
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

// verbCheck does what a deploy does before it begins.
func (d *deployment) verbCheck(ctx context.Context) error {
	// A place need not name an image, but its stack's files cannot be rendered without one.
	d.image = d.place.text("IMAGE", "registry.example/minitwit@sha256:"+strings.Repeat("0", 64))
	if err := d.preflight(ctx); err != nil {
		return err
	}
	for _, f := range d.place.files() {
		d.say.note("%s", f)
	}
	if d.place.settings["SIMULATOR_CREDENTIALS_FILE"] == "" {
		d.say.note("the API takes the course's public credentials; stack/production.yml asks for others")
	}
	d.say.step("%s is complete", d.place.name)
	return nil
}

// verbRollback goes to the release before the one that runs, or to one that was here and
// went well.
func (d *deployment) verbRollback(ctx context.Context, f flags, out io.Writer) error {
	v, all, err := d.history(ctx)
	if err != nil {
		return d.refuse(ctx, f, out, err)
	}
	r, found := before(all, v.newest(all))
	if len(f.rest) > 0 {
		r, found = good(all, func(r record) bool { return r.is(f.rest[0]) })
	}
	switch {
	case !found && len(f.rest) > 0:
		return d.refuse(ctx, f, out, fmt.Errorf("no deploy of %s went well here, as ./scripts/run.sh releases %s shows; deploy tries a release anew", f.rest[0], d.place.name))
	case !found:
		return d.refuse(ctx, f, out, fmt.Errorf("no release to go back to; ./scripts/run.sh releases %s lists what was here", d.place.name))
	}
	d.say.note("only the image goes back, to %s: settings and secrets are those of the place's folder", cmp.Or(r.Version, short(r.Image)))
	d.image, d.quick = r.Image, true
	return d.report(f, out, d.deploy(ctx, out))
}

// verbPromote deploys to a second place what runs in the first, by the same digest: what
// was tried there and nothing else. Where a version is named, it has to be that one.
func (d *deployment) verbPromote(ctx context.Context, f flags, out io.Writer) error {
	if len(f.rest) < 1 || len(f.rest) > 2 {
		return d.report(f, out, failure{exitUsage, "promote", errors.New("from which place to which? As staging production")})
	}
	r, err := d.running(ctx)
	if err != nil {
		return d.refuse(ctx, f, out, err)
	}
	if len(f.rest) == 2 && !r.is(f.rest[1]) {
		return d.refuse(ctx, f, out, fmt.Errorf("%s runs %s (%s) by now, not %s", d.place.name, r.Version, short(r.Image), f.rest[1]))
	}
	to, err := open(f, f.rest[0], d.say)
	if err != nil {
		return d.refuse(ctx, f, out, err)
	}
	defer to.close()
	to.image, to.version = r.Image, r.Version
	return to.report(f, out, to.deploy(ctx, out))
}

// running gives the record of the release that runs. It fails where that was not deployed well.
func (d *deployment) running(ctx context.Context) (record, error) {
	v, all, err := d.history(ctx)
	if err != nil {
		return record{}, err
	}
	runs := v.newest(all)
	if v.services["api"].image() != v.services["web"].image() {
		return record{}, fmt.Errorf("api and web of %s are of different releases: deploy one of them there first", d.place.name)
	}
	// Not the newest record: after a deploy that failed, the release before runs again.
	r, found := good(all, func(r record) bool { return r.Image == runs })
	if !found {
		return r, fmt.Errorf("no deploy of what runs in %s went well; ./scripts/run.sh releases %s says how they ended", d.place.name, d.place.name)
	}
	return r, nil
}

// history gives what runs, and all records.
func (d *deployment) history(ctx context.Context) (v view, all []keptRecord, err error) {
	if v, err = d.swarm.look(ctx, d.place.stack()); err != nil {
		return v, nil, err
	}
	all, err = releases(ctx, d.swarm, d.place.stack())
	return v, all, err
}

// newest gives the image that runs. Where a release was left half way, by hand or by a client that
// died, it is the newer one: that is the one to go back from.
func (v view) newest(all []keptRecord) string {
	// -1, of an image that no deploy brought, counts as the newest.
	came := func(image string) int {
		return slices.IndexFunc(all, func(r keptRecord) bool { return r.Result == resultOK && r.Image == image })
	}
	api, web := v.services["api"].image(), v.services["web"].image()
	if web != "" && came(web) < came(api) {
		return web
	}
	return api
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
