package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"sync/atomic"
	"syscall"
	"time"
)

// visitor is a person with a browser who is signed in, and stays it whichever
// replica answers. Each of its requests goes to the next of bases.
type visitor struct {
	name  string
	http  *http.Client
	bases []string
	turn  atomic.Int64
}

// startPages views pages at a quarter of the load's rate: two people, one of whom
// keeps the connections.
func (l *load) startPages(ctx context.Context) {
	const people = 2
	for i := range people {
		v := newVisitor(fmt.Sprintf("Visitor %d", i), urls(l.opts.nodes, l.opts.webPort), i%2 == 0, l.opts.patience)
		l.done.Go(func() {
			for err := v.signIn(ctx); err != nil; err = v.signIn(ctx) {
				now := time.Now()
				l.add(sample{surface: "web", began: now, ended: now, failure: err.Error()})
				select {
				case <-l.enough:
					return
				case <-time.After(time.Second):
				}
			}
			l.visit(ctx, v, time.Duration(float64(people)*4/l.opts.rate*float64(time.Second)))
		})
	}
}

func newVisitor(name string, bases []string, keep bool, patience time.Duration) *visitor {
	jar, _ := cookiejar.New(nil) // never an error without options
	return &visitor{name: name, bases: bases, http: &http.Client{
		Timeout: patience, Jar: oneJar{jar},
		Transport:     &http.Transport{DisableKeepAlives: !keep, MaxIdleConnsPerHost: 4, IdleConnTimeout: 6 * time.Second}, // less than a replica drains
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// oneJar gives all nodes the same cookies: they are one site under one name.
type oneJar struct{ http.CookieJar }

var site = &url.URL{Scheme: "http", Host: "minitwit.example", Path: "/"}

func (j oneJar) SetCookies(_ *url.URL, cookies []*http.Cookie) { j.CookieJar.SetCookies(site, cookies) }
func (j oneJar) Cookies(*url.URL) []*http.Cookie               { return j.CookieJar.Cookies(site) }

// signIn registers and signs in, patiently: that is not what is measured.
func (v *visitor) signIn(ctx context.Context) error {
	patience := v.http.Timeout
	v.http.Timeout = 20 * time.Second
	defer func() { v.http.Timeout = patience }()
	for _, step := range []struct {
		path string
		form url.Values
	}{
		{"/register", url.Values{"username": {v.name}, "email": {"v@example.org"}, "password": {"secret"}, "password2": {"secret"}}},
		{"/login", url.Values{"username": {v.name}, "password": {"secret"}}},
	} {
		resp, err := v.do(ctx, http.MethodPost, step.path, step.form)
		if err != nil {
			return fmt.Errorf("sign in: %w", err)
		}
		_ = resp.Body.Close()
		// A visitor of an earlier drill is shown the form again, and can sign in.
		if step.path == "/login" && resp.StatusCode != http.StatusSeeOther {
			return fmt.Errorf("sign in: %s is answered %d", step.path, resp.StatusCode)
		}
	}
	return nil
}

func (v *visitor) do(ctx context.Context, method, path string, form url.Values) (*http.Response, error) {
	turn := int(v.turn.Add(1))
	req, err := http.NewRequestWithContext(ctx, method, v.bases[turn%len(v.bases)]+path, bytes.NewBufferString(form.Encode()))
	if err != nil {
		return nil, err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return v.http.Do(req)
}

// visit views the timeline at a constant rate, whether it is answered or not.
func (l *load) visit(ctx context.Context, v *visitor, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-l.enough:
			return
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		l.done.Go(func() {
			s := sample{surface: "web", began: time.Now()}
			err := v.view(ctx)
			for try := 0; err != nil && try < l.opts.retries; try++ {
				err = v.view(ctx)
			}
			s.ended = time.Now()
			if err != nil {
				s.failure, s.detail = alike(err), err.Error()
			}
			l.add(s)
		})
	}
}

// view reads the timeline of whoever is signed in, to its last byte.
func (v *visitor) view(ctx context.Context) error {
	resp, err := v.do(ctx, http.MethodGet, "/", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return err
	case resp.StatusCode == http.StatusFound || resp.StatusCode == http.StatusSeeOther:
		return errors.New("signed out")
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d", resp.StatusCode)
	case !bytes.Contains(body, []byte("</html>")) || !bytes.Contains(body, []byte(v.name)):
		return errors.New("not the whole page")
	}
	return nil
}

// alike gives the same words for the same failure, whichever the address.
func alike(err error) string {
	failed := new(url.Error)
	if !errors.As(err, &failed) {
		return err.Error()
	}
	var errno syscall.Errno
	switch {
	case failed.Timeout():
		return "timeout"
	case errors.As(err, &errno):
		return errno.Error()
	}
	return failed.Err.Error()
}
