package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"minitwit/service/minitwit"
)

// fingerprintChars of a file's hash stand in its address.
const fingerprintChars = 16

//go:embed static
var staticFiles embed.FS

// asset is a static file in memory.
type asset struct {
	body        []byte
	hash        string
	contentType string
}

// assets are all static files, by name.
type assets map[string]asset

// assetURLs are the addresses that the frame of a page needs.
type assetURLs struct {
	Style, Script, Icon string
}

func loadAssets(files fs.FS) (assets, error) {
	all := make(assets)
	names, err := fs.Glob(files, "static/*")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(body)
		all[path.Base(name)] = asset{body, hex.EncodeToString(sum[:]), contentType(name)}
	}
	return all, nil
}

// contentType does not ask the machine, whose tables differ from one to the
// next; with nosniff a wrong answer would lose the style of every page.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return "application/octet-stream"
}

func (a assets) urls() assetURLs {
	return assetURLs{Style: a.url("style.css"), Script: a.url("app.js"), Icon: a.url("icon.svg")}
}

func (a assets) url(name string) string {
	return "/static/" + a[name].fingerprint() + "/" + name
}

func (a asset) fingerprint() string { return a.hash[:min(len(a.hash), fingerprintChars)] }

// Static serves /static/<fingerprint>/<name>. While a release rolls out, the
// page of one release may ask the other for its style: a fingerprint that we do
// not know gets what we have, for this once, rather than a page without style.
func (w *Web) Static(c echo.Context) error {
	fingerprint, name, ok := strings.Cut(c.Param("*"), "/")
	if !ok {
		fingerprint, name = "", fingerprint
	}
	a, ok := w.assets[name]
	if !ok {
		return minitwit.Errorf(minitwit.CodeNotFound, "There is no such file")
	}
	h := c.Response().Header()
	h.Set("Content-Type", a.contentType)
	h.Set("ETag", `"`+a.hash+`"`)
	h.Set("Cache-Control", "no-cache")
	if fingerprint == a.fingerprint() {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(c.Response(), c.Request(), name, time.Time{}, bytes.NewReader(a.body))
	return nil
}
