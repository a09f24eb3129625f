package status

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"time"

	"minitwit/service/postgres"
)

//go:embed page.tmpl status.css
var files embed.FS

// parseTemplate also executes it once, because html/template finds mistakes of context
// only then.
func parseTemplate() (*template.Template, error) {
	t, err := template.New("page.tmpl").Funcs(template.FuncMap{
		"span": span, "ms": ms, "percent": percent, "size": size, "upTo": upTo, "clock": clock,
		"mostMessages":      func() int64 { return postgres.MostMessages },
		"mostRegistrations": func() int64 { return postgres.MostRegistrations },
	}).ParseFS(files, "page.tmpl")
	if err != nil {
		return nil, err
	}
	return t, t.Execute(io.Discard, Snapshot{})
}

// Handler serves GET /status, as HTML or with ?format=json, and its style sheet. The
// answer is 200 whatever it says: what probes ask is /readyz.
func (p *Page) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", p.serve)
	mux.HandleFunc("GET /status.css", serveStyle)
	return mux
}

// serve allows no script: the page comes anew by a refresh in its head.
func (p *Page) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	write, contentType := p.html.Execute, "text/html; charset=utf-8"
	if r.URL.Query().Get("format") == "json" {
		write, contentType = writeJSON, "application/json"
	}
	var body bytes.Buffer // a template that fails half-way must not leave half a page
	if err := write(&body, p.snapshot(r.Context())); err != nil {
		p.o.Log.Error().Err(err).Msg("/status cannot be written")
		http.Error(w, "the page cannot be written; the log says why", http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", contentType)
	_, _ = body.WriteTo(w) // that the reader has gone away is no error of ours
}

func writeJSON(w io.Writer, snapshot any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(snapshot)
}

func serveStyle(w http.ResponseWriter, r *http.Request) {
	// Not for long: during an update, the next answer may be another release's page.
	w.Header().Set("Cache-Control", "max-age=60")
	w.Header().Set("Content-Type", "text/css; charset=utf-8") // the machine's tables may not know it
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeFileFS(w, r, files, "status.css")
}

// span writes a time in seconds as people say it.
func span(seconds float64) string {
	switch {
	case seconds < 10:
		return fmt.Sprintf("%.1f s", max(0, seconds))
	case seconds < 120:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 2*3600:
		return fmt.Sprintf("%.0f min", seconds/60)
	case seconds < 48*3600:
		return fmt.Sprintf("%.0f h", seconds/3600)
	}
	return fmt.Sprintf("%.0f days", seconds/86400)
}

func ms(millis float64) string {
	if millis < 10 {
		return fmt.Sprintf("%.1f ms", millis)
	}
	return fmt.Sprintf("%.0f ms", millis)
}

// size writes bytes in decimal units.
func size(bytes int64) string {
	if mb := float64(bytes) / 1e6; mb < 1000 {
		return fmt.Sprintf("%.0f MB", mb)
	}
	return fmt.Sprintf("%.1f GB", float64(bytes)/1e9)
}

// upTo writes what is counted to a limit only.
func upTo(limit, n int64) string {
	if n >= limit {
		return fmt.Sprintf("%d or more", limit)
	}
	return strconv.FormatInt(n, 10)
}

// clock writes the time of day; Snapshot.At is in UTC, as the page says.
func clock(t time.Time) string { return t.Format("15:04:05") }
