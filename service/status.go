package main

import (
	"os"
	"strings"

	"minitwit/service/config"
	"minitwit/service/postgres"
	"minitwit/service/status"
)

// newStatus makes the page /status, once all surfaces are there. A process with both is one
// replica, of the service "api+web". Package status imports no server, so it has a Build of
// its own, with the same fields.
func (p *program) newStatus() (*status.Page, error) {
	host, _ := os.Hostname() // without a name it is shown without one
	var names []string
	var surfaces []status.Surface
	for _, s := range p.surfaces {
		names = append(names, s.Name())
		surfaces = append(surfaces, status.Surface{Name: s.Name(), Requests: s.Requests()})
	}
	return status.New(status.Options{
		Self: postgres.Replica{
			Service: strings.Join(names, "+"), Slot: p.cfg.TaskSlot, Node: p.cfg.NodeName, Host: host, Version: version,
		},
		Build: status.Build(build()),
		// All stores use one database, so the first can speak for all.
		Store:    p.stores[0],
		Surfaces: surfaces,
		Pools:    p.pools,
		Links:    links(p.cfg),
		Log:      p.log,
	})
}

// links gives those of the page that this place has set.
func links(cfg config.Config) (set []status.Link) {
	for _, l := range []status.Link{
		{Name: "Grafana", URL: cfg.DashboardsURL},
		{Name: "Prometheus", URL: cfg.PrometheusURL},
		{Name: "Alertmanager", URL: cfg.AlertmanagerURL},
		{Name: "Runbooks", URL: cfg.RunbooksURL},
	} {
		if l.URL != "" {
			set = append(set, l)
		}
	}
	return set
}
