package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"
)

const htmlType = "text/html; charset=utf-8"

//go:embed templates
var templateFiles embed.FS

// basePage is what the frame of every page shows.
type basePage struct {
	Title   string
	Path    string // of the request; the link to it is marked as current
	Visitor visitor
	Flashes []string
	Assets  assetURLs
	Version string
}

func (b *basePage) base() *basePage { return b }

// page is a typed page struct: it embeds basePage.
type page interface{ base() *basePage }

// emptyPages names every template and the struct that it shows.
func emptyPages() map[string]page {
	return map[string]page{
		"timeline": &timelinePage{},
		"login":    &loginPage{},
		"register": &registerPage{},
		"error":    &errorPage{},
	}
}

// parsePages reads each page together with the frame. It also executes each
// once, because html/template finds mistakes of context only then.
func parsePages(files fs.FS) (map[string]*template.Template, error) {
	pages := make(map[string]*template.Template)
	for name, empty := range emptyPages() {
		t, err := template.New(name).Funcs(template.FuncMap{"userURL": userURL}).
			ParseFS(files, "templates/layout.tmpl", "templates/messages.tmpl", "templates/"+name+".tmpl")
		if err != nil {
			return nil, err
		}
		if err := t.ExecuteTemplate(io.Discard, "layout", empty); err != nil {
			return nil, err
		}
		pages[name] = t
	}
	return pages, nil
}

// execute renders into memory, so that a template that fails half-way never
// leaves half a page.
func (w *Web) execute(name string, p page) ([]byte, error) {
	b := p.base()
	b.Assets, b.Version = w.assets.urls(), w.version
	var body bytes.Buffer
	if err := w.pages[name].ExecuteTemplate(&body, "layout", p); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	return body.Bytes(), nil
}

// render answers with a page, and with the flashes that waited for one.
func (w *Web) render(c echo.Context, name string, p page) error {
	b := p.base()
	b.Path = c.Request().URL.Path
	b.Visitor = visitorOf(c)
	b.Flashes = w.sessions.TakeFlashes(c.Response(), c.Request())
	body, err := w.execute(name, p)
	if err != nil {
		return err
	}
	setCaching(c, b)
	return c.Blob(http.StatusOK, htmlType, body)
}

// setCaching lets a browser show what everybody may see once more on "back", and nowhere else:
// no page has a validator. What was made for one visitor is not stored at all: after
// signing out, "back" must not bring it up again, nor a flash twice.
func setCaching(c echo.Context, b *basePage) {
	h := c.Response().Header()
	h.Add("Vary", "Cookie")
	if b.Visitor.User != nil || len(b.Flashes) > 0 || c.Request().Method == http.MethodPost {
		h.Set("Cache-Control", "no-store")
		return
	}
	h.Set("Cache-Control", "no-cache")
}

// userURL is the address of a user's timeline. Names may hold anything that
// means something else in an address, slashes and question marks included.
func userURL(name string) string { return "/" + url.PathEscape(name) }
