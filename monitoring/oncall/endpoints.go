package main

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// endpoint is an address that has to answer 200: what clients ask, or a /readyz.
type endpoint struct {
	name string
	url  *url.URL
}

// endpoints are the values of --ask, each NAME=URL or URL.
type endpoints []endpoint

// String tells how many they are: a URL may hold a password.
func (e *endpoints) String() string { return strconv.Itoa(len(*e)) }

func (e *endpoints) Set(text string) error {
	name, address, named := strings.Cut(text, "=")
	if !named || strings.Contains(name, "://") { // a URL may hold one, too
		name, address = "", text
	}
	u, err := parseURL(address)
	if err != nil {
		return err
	}
	if name == "" {
		name = u.Redacted()
	}
	*e = append(*e, endpoint{name, u})
	return nil
}

// askEndpoints looks for itself whether users are served. Those that answer share a check;
// where no address was given there is none at all.
func (d *doctor) askEndpoints(ctx context.Context) (found []check) {
	failed := make([]error, len(d.endpoints))
	var asked sync.WaitGroup
	for i, e := range d.endpoints {
		asked.Go(func() { _, failed[i] = get(ctx, e.url, "") })
	}
	asked.Wait()
	var well []string
	for i, e := range d.endpoints {
		if failed[i] == nil {
			well = append(well, e.name)
			continue
		}
		found = append(found, check{
			Case: "reach " + e.name, Aim: "answers 200", State: broken, Found: failed[i].Error(), Runbook: d.runbooks.of("EndpointDown", ""),
		})
	}
	if len(well) > 0 {
		found = append(found, check{Case: "reached", Aim: "answers 200", State: fine, Found: strings.Join(well, ", ")})
	}
	return found
}
