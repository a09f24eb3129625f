// Package web is the site that people see: HTML pages, forms and the files
// they need. It knows the domain and, through small interfaces that it
// declares itself, whatever keeps the data. It is not the server: addresses
// are routed, errors mapped to statuses and limits set elsewhere.
package web

import (
	"context"
	"fmt"
	"html/template"

	"minitwit/service/minitwit"
	"minitwit/service/session"
)

// Store is what the pages need of the data.
type Store interface {
	// SessionUser gives minitwit.ErrUserNotFound when the user is gone or the
	// epoch is another one.
	SessionUser(ctx context.Context, id, epoch int64) (minitwit.User, error)
	PublicTimeline(ctx context.Context, w minitwit.Window) (minitwit.Page, error)
	HomeTimeline(ctx context.Context, userID int64, w minitwit.Window) (minitwit.Page, error)
	UserTimeline(ctx context.Context, name string, viewerID int64, w minitwit.Window) (minitwit.Profile, minitwit.Page, error)
	AddMessage(ctx context.Context, author, text string) error
	Follow(ctx context.Context, who, whom string) error
	Unfollow(ctx context.Context, who, whom string) error
}

// Accounts lets people in.
type Accounts interface {
	Register(ctx context.Context, r minitwit.Registration) error
	Login(ctx context.Context, name, password string) (minitwit.User, error)
}

// Options are what a Web is made of.
type Options struct {
	Store    Store
	Accounts Accounts
	Sessions *session.Codec
	Version  string // of the release, shown at the foot of each page
}

// Web holds the handlers. It keeps nothing about its visitors.
type Web struct {
	store    Store
	accounts Accounts
	sessions *session.Codec
	version  string

	assets     assets
	pages      map[string]*template.Template
	lastResort []byte // an error page that needs no template any more
}

// New makes the site. It parses and tries every template, so that a broken one
// stops a release at its start and not a visitor.
func New(o Options) (*Web, error) {
	files, err := loadAssets(staticFiles)
	if err != nil {
		return nil, fmt.Errorf("load static files: %w", err)
	}
	pages, err := parsePages(templateFiles)
	if err != nil {
		return nil, fmt.Errorf("parse templates: %w", err)
	}
	w := &Web{
		store: o.Store, accounts: o.Accounts, sessions: o.Sessions, version: o.Version,
		assets: files, pages: pages,
	}
	if w.lastResort, err = w.renderLastResort(); err != nil {
		return nil, fmt.Errorf("render the last resort: %w", err)
	}
	return w, nil
}
