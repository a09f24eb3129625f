package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const registered = `{"username":"anna","email":"anna@example.org","pwd":"p"}`

func TestEverySuccessHasTheStatusAndBodyThatTheSimulatorExpects(t *testing.T) {
	t.Parallel()
	c := newAPI(t, serve(t, options{}))
	for _, step := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/latest", "", 200, `{"latest":-1}`},
		{"POST", "/register?latest=1", registered, 204, ""},
		{"POST", "/register?latest=2", `{"username":"ben","email":"b@b","pwd":"p"}`, 204, ""},
		{"GET", "/msgs?no=100&latest=3", "", 200, `[]`},
		{"GET", "/msgs/anna?no=100&latest=4", "", 200, `[]`},
		{"GET", "/fllws/anna?no=100&latest=5", "", 200, `{"follows":[]}`},
		{"POST", "/fllws/anna?latest=6", `{"follow":"ben"}`, 204, ""},
		{"GET", "/fllws/anna?no=100&latest=7", "", 200, `{"follows":["ben"]}`},
		{"GET", "/fllws/ben?no=100&latest=8", "", 200, `{"follows":[]}`},
		{"POST", "/fllws/anna?latest=9", `{"unfollow":"ben"}`, 204, ""},
		{"GET", "/fllws/anna?no=100&latest=10", "", 200, `{"follows":[]}`},
		{"POST", "/msgs/anna?latest=11", `{"content":"Hi!"}`, 204, ""},
		{"GET", "/latest", "", 200, `{"latest":11}`},
	} {
		a := c.send(request{method: step.method, path: step.path, body: step.body})
		if a.status != step.status || a.body != step.want {
			t.Errorf("%s %s %s = %d %q, want %d %q", step.method, step.path, step.body, a.status, a.body, step.status, step.want)
		}
		if a.status == http.StatusOK && a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s has the content type %q", step.method, step.path, a.header.Get("Content-Type"))
		}
	}
}

func TestUnknownUsersAreNotFound(t *testing.T) {
	t.Parallel()
	c := newAPI(t, serve(t, options{}))
	c.register("anna")
	const want = `{"status":404,"error_msg":"There is no user of that name"}`
	for _, r := range []request{
		{method: "GET", path: "/msgs/nobody"},
		{method: "GET", path: "/msgs/Anna"}, // case counts
		{method: "GET", path: "/msgs/anna%20"},
		{method: "POST", path: "/msgs/nobody", body: `{"content":"x"}`},
		{method: "GET", path: "/fllws/nobody"},
		{method: "POST", path: "/fllws/nobody", body: `{"follow":"anna"}`},
		{method: "POST", path: "/fllws/nobody", body: `{"unfollow":"anna"}`},
		{method: "POST", path: "/fllws/anna", body: `{"follow":"nobody"}`},
		{method: "POST", path: "/fllws/anna", body: `{"unfollow":"nobody"}`},
		{method: "POST", path: "/fllws/anna", body: `{"follow":""}`},
	} {
		if a := c.send(r); a.status != http.StatusNotFound || a.body != want {
			t.Errorf("%v = %d %s, want 404 %s", r, a.status, a.body, want)
		}
	}
}

func TestUnknownRoutesAnswerInTheShapeOfErrors(t *testing.T) {
	t.Parallel()
	c := newAPI(t, serve(t, options{}))
	c.register("anna")
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/", 404},
		{"GET", "/nowhere", 404},
		{"GET", "/latest/more", 404},
		{"GET", "/msgs/anna/more", 404},
		{"GET", "/public", 404},
		{"GET", "/metrics", 404},
		{"GET", "/debug/pprof/", 404},
		{"GET", "/register", 405},
		{"POST", "/latest", 405},
		{"POST", "/msgs", 405},
		{"PUT", "/msgs/anna", 405},
		{"DELETE", "/fllws/anna", 405},
		{"PATCH", "/register", 405},
	} {
		a := c.send(request{method: test.method, path: test.path, undocumented: true})
		if a.status != test.status {
			t.Errorf("%s %s = %d %s, want %d", test.method, test.path, a.status, a.body, test.status)
		}
	}
}

func TestJSONIsReadUnderAnyContentType(t *testing.T) {
	t.Parallel()
	c := newAPI(t, serve(t, options{}))
	types := []string{
		"", "application/json", "application/json; charset=utf-8", "text/plain", "text/html",
		"application/x-www-form-urlencoded", "multipart/form-data", "application/octet-stream", "nonsense;;",
	}
	for i, contentType := range types {
		header := http.Header{"Authorization": {"Basic c2ltdWxhdG9yOnN1cGVyX3NhZmUh"}}
		if contentType != "" {
			header.Set("Content-Type", contentType)
		}
		name := "user " + string(rune('a'+i))
		for _, r := range []request{
			{method: "POST", path: "/register", body: object("username", name, "email", "a@b", "pwd", "p"), header: header},
			{method: "POST", path: "/msgs/" + url.PathEscape(name), body: `{"content":"x"}`, header: header},
			{method: "POST", path: "/fllws/" + url.PathEscape(name), body: object("follow", name), header: header},
		} {
			if a := c.send(r); a.status != http.StatusNoContent {
				t.Errorf("%v as %q = %d %s, want 204", r, contentType, a.status, a.body)
			}
		}
	}
}

func TestBodiesUpToSixtyFourKibibytesAreReadAndLargerOnesRefused(t *testing.T) {
	t.Parallel()
	c := newAPI(t, serve(t, options{}))
	c.register("anna")
	for path, body := range map[string]string{
		"/register": registeredAs("ben"), "/msgs/anna": `{"content":"x"}`, "/fllws/anna": `{"follow":"anna"}`,
	} {
		largest := body + strings.Repeat(" ", 64<<10-len(body))
		c.wants(path, largest+" ", http.StatusRequestEntityTooLarge, "")
		c.wants(path, largest, http.StatusNoContent, "")
	}
}

// A list has a hundred of them, or a thousand: they decide how much memory one answer takes.
func TestMessagesUpToSixteenKibibytesAreStoredAndLargerOnesRefused(t *testing.T) {
	t.Parallel()
	c := newAPI(t, serve(t, options{}))
	c.register("anna")
	largest, emoji := strings.Repeat("x", 16<<10), strings.Repeat("🐘", 16<<10/len("🐘"))
	for _, text := range []string{largest, emoji} {
		c.wants("/msgs/anna", object("content", text+"x"), http.StatusRequestEntityTooLarge, "")
		c.wants("/msgs/anna", object("content", text), http.StatusNoContent, "")
	}
	got := c.contents("/msgs/anna")
	if len(got) != 2 || got[0] != emoji || got[1] != largest {
		t.Errorf("%d messages came back, not the two that were stored", len(got))
	}
}
