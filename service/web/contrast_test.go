package web

import (
	"io/fs"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// minContrast is what WCAG 2 asks of text (AA); minOutline of the edge of a
// field.
const (
	minContrast = 4.5
	minOutline  = 3.0
)

func TestColoursCanBeRead(t *testing.T) {
	t.Parallel()
	body, err := fs.ReadFile(staticFiles, "static/style.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, ok := strings.Cut(string(body), "prefers-color-scheme: dark")
	if !ok {
		t.Fatal("style.css has no dark scheme")
	}
	pairs := []struct {
		front, back string
		want        float64
	}{
		{"text", "page", minContrast},
		{"text", "card", minContrast},
		{"text", "notice", minContrast},
		{"muted", "page", minContrast},
		{"muted", "card", minContrast},
		{"accent", "page", minContrast},
		{"accent", "card", minContrast},
		{"on-accent", "accent", minContrast},
		{"on-band", "band", minContrast},
		{"wrong", "wrong-back", minContrast},
		{"field", "card", minOutline},
		{"wrong", "card", minOutline},
	}
	for scheme, css := range map[string]string{"light": light, "dark": dark} {
		colours := palette(t, css)
		for _, p := range pairs {
			if got := contrast(colours[p.front], colours[p.back]); got < p.want {
				t.Errorf("%s: contrast of --%s on --%s is %.2f, want at least %.1f", scheme, p.front, p.back, got, p.want)
			}
		}
	}
}

// palette gives the luminance of each custom property that is a colour.
func palette(t *testing.T, css string) map[string]float64 {
	t.Helper()
	colours := make(map[string]float64)
	for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]+);`).FindAllStringSubmatch(css, -1) {
		hex := m[2]
		if len(hex) == 3 {
			hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
		}
		rgb, err := strconv.ParseUint(hex, 16, 24)
		if err != nil {
			t.Fatalf("colour %q: %v", m[0], err)
		}
		colours[m[1]] = 0.2126*linear(rgb>>16) + 0.7152*linear(rgb>>8&255) + 0.0722*linear(rgb&255)
	}
	return colours
}

func linear(channel uint64) float64 {
	c := float64(channel) / 255
	if c <= 0.04045 {
		return c / 12.92
	}
	return math.Pow((c+0.055)/1.055, 2.4)
}

func contrast(a, b float64) float64 { return (max(a, b) + 0.05) / (min(a, b) + 0.05) }
