package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheFirstWayIsRefusedWhileItsGateIsShut(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "refuses")
	s := &sink{gate: gate}
	for _, c := range []struct {
		shut bool
		path string
		want int
	}{
		{false, "/page", http.StatusOK},
		{true, "/page", http.StatusForbidden},
		{true, "/second", http.StatusOK},
		{false, "/page", http.StatusOK},
	} {
		if err := os.Remove(gate); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if c.shut {
			if err := os.WriteFile(gate, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, c.path, strings.NewReader(`{"alerts": [{}]}`)))
		if w.Code != c.want {
			t.Errorf("gate shut %v: %s is answered %d, want %d", c.shut, c.path, w.Code, c.want)
		}
	}
	if len(s.got) != 3 {
		t.Errorf("%d notices were kept, want the three that were taken", len(s.got))
	}
}
