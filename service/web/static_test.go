package web_test

import (
	"net/http"
	"strings"
	"testing"
)

const (
	maxStyleBytes  = 8 << 10
	maxScriptBytes = 4 << 10
)

func TestPagesAskForFingerprintedFilesWithinBudget(t *testing.T) {
	t.Parallel()
	b := newSite(t).browser(t)
	page := b.get("/public").body
	cases := []struct {
		selector, attr, contentType string
		maxBytes                    int
	}{
		{"link[rel=stylesheet]", "href", "text/css; charset=utf-8", maxStyleBytes},
		{"script", "src", "text/javascript; charset=utf-8", maxScriptBytes},
		{"link[rel=icon]", "href", "image/svg+xml", 1 << 10},
	}
	for _, tc := range cases {
		path := firstAttr(t, page, tc.selector, tc.attr)
		a := b.get(path)
		if a.status != http.StatusOK || a.header.Get("Content-Type") != tc.contentType {
			t.Errorf("GET %s = %d %q, want 200 %q", path, a.status, a.header.Get("Content-Type"), tc.contentType)
		}
		if got := a.header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("GET %s: Cache-Control %q, want immutable", path, got)
		}
		if len(a.body) == 0 || len(a.body) > tc.maxBytes {
			t.Errorf("GET %s has %d bytes, want 1 to %d", path, len(a.body), tc.maxBytes)
		}
		b.header.Set("If-None-Match", a.header.Get("ETag"))
		if again := b.get(path); again.status != http.StatusNotModified || again.body != "" {
			t.Errorf("GET %s with its ETag = %d, want 304", path, again.status)
		}
		b.header.Del("If-None-Match")
	}
}

func TestAnotherReleasesFingerprintGetsWhatWeHave(t *testing.T) {
	t.Parallel()
	b := newSite(t).browser(t)
	current := b.get(firstAttr(t, b.get("/public").body, "link[rel=stylesheet]", "href"))
	for _, path := range []string{"/static/0123456789abcdef/style.css", "/static/style.css", "/static//style.css"} {
		a := b.get(path)
		if a.status != http.StatusOK || a.body != current.body || a.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("GET %s = %d %q with %d bytes, want 200 no-cache with %d bytes",
				path, a.status, a.header.Get("Cache-Control"), len(a.body), len(current.body))
		}
	}
}

func TestThereAreNoOtherFiles(t *testing.T) {
	t.Parallel()
	b := newSite(t).browser(t)
	for _, path := range []string{
		"/static/", "/static/x.css", "/static/a/b/style.css", "/static/../web.go", "/static/%2e%2e/web.go",
		"/static/a/%2e%2e%2fstyle.css", "/static/" + strings.Repeat("x", 5000),
	} {
		if a := b.get(path); a.status != http.StatusNotFound {
			t.Errorf("GET %s = %d, want 404", path, a.status)
		}
	}
}
