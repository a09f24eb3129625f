// Package canary does what a user would feel the loss of: it writes a message
// through the API and looks for it on a page of the UI, the way all requests come,
// and reports how that went. It is no load test, and what it writes stays out of the
// public timeline.
package canary

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"minitwit/service/minitwit"
)

// Options say where and how often.
type Options struct {
	API, Web    string        // base URLs of the two surfaces
	Credentials string        // name:password of the simulator
	Every       time.Duration // from one message to the next
	Timeout     time.Duration // of one message, from writing it to having read it
	Log         zerolog.Logger
}

// Canary writes and reads.
type Canary struct {
	o       Options
	success prometheus.Gauge
	last    prometheus.Gauge
	took    prometheus.Gauge
}

// New makes one that reports to reg. Until its first message has been read there is
// no last success.
func New(o Options, reg prometheus.Registerer) *Canary {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	c := &Canary{
		o:       o,
		success: gauge("minitwit_canary_success", "1 if the last message that was written could be read."),
		last:    gauge("minitwit_canary_last_success_timestamp_seconds", "When a message was last written and read."),
		took:    gauge("minitwit_canary_duration_seconds", "How long it took from writing the last message to having read it."),
	}
	reg.MustRegister(c.success, c.last, c.took)
	return c
}

// Run writes its first message at once and goes on until ctx ends. Rounds never overlap: one
// that takes longer than Every delays the next.
func (c *Canary) Run(ctx context.Context) {
	ticker := time.NewTicker(c.o.Every)
	defer ticker.Stop()
	for {
		took, err := c.once(ctx)
		c.report(ctx, took, err)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// report sets the metrics. A failure leaves the time of the last success as it is, since the
// alert CanaryFailing asks how old that is. What fails after the end of ctx is the stop's
// doing and not reported.
func (c *Canary) report(ctx context.Context, took time.Duration, err error) {
	switch {
	case err == nil:
		c.success.Set(1)
		c.last.SetToCurrentTime()
		c.took.Set(took.Seconds())
		c.o.Log.Debug().Dur("took_ms", took).Msg("a message was written and read")
	case ctx.Err() == nil:
		c.success.Set(0)
		c.o.Log.Error().Err(err).Dur("took_ms", took).Msg("a message could not be written and read")
	}
}

// once writes a message and reads it.
func (c *Canary) once(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	text := "canary " + rand.Text()
	err := c.write(ctx, text)
	if err == nil {
		err = c.find(ctx, text)
	}
	return time.Since(began), err
}

// write posts the message, without "latest": that number is the simulator's.
func (c *Canary) write(ctx context.Context, text string) error {
	body, err := json.Marshal(map[string]string{"content": text})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.o.API+"/msgs/"+minitwit.CanaryName, strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	user, password, _ := strings.Cut(c.o.Credentials, ":")
	req.SetBasicAuth(user, password)
	req.Header.Set("Content-Type", "application/json")
	status, _, err := send(req)
	if err == nil && status != http.StatusNoContent {
		err = fmt.Errorf("status %d", status)
	}
	return wrap("write through the API", err)
}

// find looks once: what is acknowledged can be read from any replica.
func (c *Canary) find(ctx context.Context, text string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.o.Web+"/"+minitwit.CanaryName, nil)
	if err != nil {
		return err
	}
	status, page, err := send(req)
	switch {
	case err == nil && status != http.StatusOK:
		err = fmt.Errorf("status %d", status)
	case err == nil && !strings.Contains(page, text):
		err = errors.New("the message is not on the page")
	}
	return wrap("read through the UI", err)
}

// client opens a connection for each request, so that it does not stay with one
// replica.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil}}

// maxPageBytes bounds what is read of an answer; a page of the canary's messages is far
// smaller.
const maxPageBytes = 1 << 20

func send(req *http.Request) (status int, body string, err error) {
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(io.LimitReader(resp.Body, maxPageBytes))
	return resp.StatusCode, string(got), err
}

// wrap says which half failed, the writing or the reading: the runbook tells them apart.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// CheckURL refuses what is not the base URL of a surface.
func CheckURL(name, value string) error {
	u, err := url.Parse(value)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("--%s %q is not a URL such as http://n1:5001", name, value)
	}
	return nil
}
