package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// rehearsalOffset is what the rehearsal's published ports are above the real ones. They are
// open on every node while it stands: keep them closed to the outside.
const rehearsalOffset = 10000

// rendered is what `docker stack config` prints: the stack's files merged, everything filled in.
type rendered map[string]any

func parseRendered(text []byte) (rendered, error) {
	var plain map[string]any // nested maps would become of the named type
	if err := yaml.Unmarshal(text, &plain); err != nil {
		return nil, fmt.Errorf("what docker stack config printed: %w", err)
	}
	r := rendered(plain)
	maps.DeleteFunc(r, func(key string, _ any) bool { return strings.HasPrefix(key, "x-") }) // merged in already
	if len(r.services()) == 0 {
		return nil, errors.New("the stack's files have no services")
	}
	return r, nil
}

// section gives a part that is a map, or nil, which reads as an empty one.
func section(of map[string]any, name string) map[string]any {
	m, _ := of[name].(map[string]any)
	return m
}

func (r rendered) services() map[string]any { return section(r, "services") }

// images gives what each service shall run.
func (r rendered) images() map[string]string {
	found := map[string]string{}
	for name := range r.services() {
		image, _ := section(r.services(), name)["image"].(string)
		found[name] = familiar(image)
	}
	return found
}

// fingerprint is the stack without the paths of files, which differ between the machines
// that deploy. What is in the files is in the names that end in their hashes.
func (r rendered) fingerprint() ([]byte, error) {
	plain := maps.Clone(r)
	for _, kind := range []string{"secrets", "configs"} {
		pathless := map[string]any{}
		for name := range section(r, kind) {
			one := maps.Clone(section(section(r, kind), name))
			delete(one, "file")
			pathless[name] = one
		}
		if len(pathless) > 0 {
			plain[kind] = pathless
		}
	}
	return yaml.Marshal(map[string]any(plain))
}

// rehearsal makes a stack that stands beside the real one: the services of this image, one
// replica each, on ports of their own, and names of their own for all that a stack owns.
// Without replicas it has but a job that runs once on each node: it brings the schema up
// to date, and so proves that every node can get and run the image and reach the database.
//
// Once is another word for each rehearsal, for its network: a node may still hold on to one
// of the same name that has just been removed ("invalid endpoint settings").
func (r rendered) rehearsal(image, once string, replicas bool) ([]byte, error) {
	services := map[string]any{}
	for name := range r.services() {
		// A copy, here and below: the stack is rendered once, for the job, the rehearsal and
		// the record.
		one := maps.Clone(section(r.services(), name))
		if name, _ := one["image"].(string); familiar(name) != image {
			continue
		}
		if replicas {
			services[name] = understudy(one)
		} else if len(services) == 0 || name == "api" {
			services = map[string]any{"schema": schemaJob(one)}
		}
	}
	if len(services) == 0 {
		return nil, fmt.Errorf("no service of the stack runs %s", image)
	}
	out := maps.Clone(r)
	out["services"] = services
	for kind, prefix := range map[string]string{"secrets": "rehearsal_", "configs": "rehearsal_", "networks": "rehearsal_" + once + "_"} {
		if of := section(r, kind); len(of) > 0 {
			out[kind] = renamed(of, prefix)
		}
	}
	return yaml.Marshal(map[string]any(out))
}

// understudy is a service with one replica, beside its ports.
func understudy(service map[string]any) map[string]any {
	var ports []any
	list, _ := service["ports"].([]any)
	for _, p := range list {
		port, _ := p.(map[string]any)
		port = maps.Clone(port)
		// The CLI prints it as a number or as a text.
		if n, err := strconv.Atoi(fmt.Sprint(port["published"])); err == nil {
			port["published"] = n + rehearsalOffset
		}
		ports = append(ports, port)
	}
	if ports != nil {
		service["ports"] = ports
	}
	deploy := maps.Clone(section(service, "deploy"))
	deploy["replicas"] = 1
	service["deploy"] = deploy
	return service
}

// schemaJob runs `migrate up` with all that the service has. It is never tried again: its first
// failure is the answer. The database's lock keeps the runs of several nodes apart.
func schemaJob(service map[string]any) map[string]any {
	delete(service, "ports")
	service["command"] = []any{"migrate", "up"}
	service["healthcheck"] = map[string]any{"disable": true}
	deploy := map[string]any{"mode": "global-job", "restart_policy": map[string]any{"condition": "none"}}
	if resources := section(section(service, "deploy"), "resources"); resources != nil {
		deploy["resources"] = resources
	}
	if where := section(section(service, "deploy"), "placement")["constraints"]; where != nil {
		deploy["placement"] = map[string]any{"constraints": where} // the spreading is for replicas
	}
	service["deploy"] = deploy
	return service
}

// renamed gives secrets, configs or networks names of their own: removing the rehearsal would
// otherwise take the real stack's away.
func renamed(all map[string]any, prefix string) map[string]any {
	out := map[string]any{}
	for key := range all {
		one := maps.Clone(section(all, key))
		if one == nil {
			one = map[string]any{}
		}
		// What is external belongs to no stack and stays when one is removed.
		if one["external"] != true {
			name, _ := one["name"].(string)
			one["name"] = prefix + cmp.Or(name, key) // Swarm allows 64 characters
		}
		out[key] = one
	}
	return out
}
