package main

import (
	"context"
	"errors"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// prune removes the stack's secrets and configs that no service uses any more, nor would
// use after `docker service rollback`. The lock and the records are configs, too, but without
// the stack's label: neither this nor `docker stack rm` takes them away.
func (d *deployment) prune(ctx context.Context) error {
	stack := d.place.stack()
	v, err := d.swarm.look(ctx, stack)
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for _, s := range v.services {
		for _, spec := range []*swarm.ServiceSpec{&s.Spec, s.PreviousSpec} {
			if spec == nil || spec.TaskTemplate.ContainerSpec == nil {
				continue
			}
			for _, ref := range spec.TaskTemplate.ContainerSpec.Secrets {
				used[ref.SecretID] = true
			}
			for _, ref := range spec.TaskTemplate.ContainerSpec.Configs {
				used[ref.ConfigID] = true
			}
		}
	}
	return d.alter(ctx, func(ctx context.Context, c *client.Client) error {
		return removeUnused(ctx, c, client.Filters{}.Add("label", stackLabel+"="+stack), used)
	})
}

func removeUnused(ctx context.Context, c *client.Client, ours client.Filters, used map[string]bool) error {
	secrets, err := c.SecretList(ctx, client.SecretListOptions{Filters: ours})
	if err != nil {
		return err
	}
	for _, s := range secrets.Items {
		if !used[s.ID] {
			_, failed := c.SecretRemove(ctx, s.ID, client.SecretRemoveOptions{})
			err = errors.Join(err, failed)
		}
	}
	configs, failed := c.ConfigList(ctx, client.ConfigListOptions{Filters: ours})
	err = errors.Join(err, failed)
	for _, s := range configs.Items {
		if !used[s.ID] {
			_, failed := c.ConfigRemove(ctx, s.ID, client.ConfigRemoveOptions{})
			err = errors.Join(err, failed)
		}
	}
	return err
}
