package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"minitwit/service/simulate"
)

// load is who uses the installation: a simulator, and people who look at pages,
// through the ports of all nodes.
type load struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

const (
	requestsASecond = 12
	pagesASecond    = 4
	loadActions     = 100_000 // with as many reads 200,000 requests: four and a half hours
)

// startLoad makes w.load, which goes on until it is stopped or its actions are over. What was
// stopped does not start again: that takes another startLoad. The seed makes the scenario.
func (w *world) startLoad(ctx context.Context, seed uint64) error {
	var scenario bytes.Buffer
	if err := simulate.Generate(&scenario, simulate.GenerateOptions{Seed: seed, Actions: loadActions}); err != nil {
		return err
	}
	actions, err := simulate.Parse(&scenario)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	w.load = &load{cancel: cancel}
	// Each request has a connection of its own, for which the mesh chooses anew. Nothing is read
	// back: what a fault loses is for the drills on the lab.
	opts := simulate.Options{
		Actions: actions, Workers: 32, Rate: requestsASecond, Timeout: time.Second, MixReads: 0.5,
		SkipVerify: true, Progress: io.Discard,
	}
	for _, node := range nodes {
		opts.URLs = append(opts.URLs, "http://"+w.mesh["api"].address(node))
	}
	w.load.done.Go(func() { _, _ = simulate.Run(ctx, opts) }) // that requests fail is what the drill is about
	w.load.done.Go(func() { w.look(ctx) })
	return nil
}

// look views the public page.
func (w *world) look(ctx context.Context) {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ticker := time.NewTicker(time.Second / pagesASecond)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		// Views do not wait for one another, or a UI that hangs would get fewer of them.
		w.load.done.Go(func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.mesh["web"].address(nodes[i%len(nodes)])+"/public", nil)
			if err != nil {
				return
			}
			if resp, err := client.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
}

// stop waits for what is under way.
func (l *load) stop() {
	l.cancel()
	l.done.Wait()
}
