package e2e

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

func basic(credentials string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))
}

// wrongCredentials are values of the Authorization header; "" is none.
var wrongCredentials = []string{
	"",
	basic("simulator:wrong"),
	basic("somebody:super_safe!"),
	basic("simulator:"),
	basic(":super_safe!"),
	basic(":"),
	basic("simulator:super_safe"),
	basic("simulator:super_safe!!"),
	basic("Simulator:super_safe!"),
	basic("simulator:super_safe! "),
	basic("simulatorsuper_safe!"),
	basic(""),
	"Basic",
	"Basic ",
	"Basic not base64!",
	"Bearer c2ltdWxhdG9yOnN1cGVyX3NhZmUh",
	"c2ltdWxhdG9yOnN1cGVyX3NhZmUh",
	"simulator:super_safe!",
	"\"",
	strings.Repeat("x", 20_000),
}

func TestWithoutTheCredentialsNothingIsShownOrStored(t *testing.T) {
	t.Parallel()
	c := newAPI(t, serve(t, options{}))
	c.register("anna", "ben")
	c.tweet("anna", "hello")
	c.follow("anna", "ben")
	c.get("/msgs?latest=7")
	const want = `{"status":403,"error_msg":"You are not authorized to use this resource!"}`
	for _, credentials := range wrongCredentials {
		header := http.Header{"Content-Type": {"application/json"}}
		if credentials != "" {
			header.Set("Authorization", credentials)
		}
		for _, r := range []request{
			{method: "GET", path: "/msgs?latest=99"},
			{method: "GET", path: "/msgs/anna?latest=99"},
			{method: "GET", path: "/msgs/nobody?latest=99"}, // who exists is not told either
			{method: "POST", path: "/msgs/anna?latest=99", body: `{"content":"forged"}`},
			{method: "POST", path: "/msgs/anna?latest=99", body: `no JSON`},
			{method: "GET", path: "/fllws/anna?latest=99"},
			{method: "POST", path: "/fllws/ben?latest=99", body: `{"follow":"anna"}`},
			{method: "POST", path: "/fllws/anna?latest=99", body: `{"unfollow":"ben"}`},
			{method: "POST", path: "/fllws/nobody?latest=99", body: `{"follow":"anna"}`},
		} {
			r.header = header
			if a := c.send(r); a.status != http.StatusForbidden || a.body != want {
				t.Errorf("%v = %d %s, want 403 %s", r, a.status, a.body, want)
			}
		}
	}
	if got := c.contents("/msgs"); len(got) != 1 {
		t.Errorf("messages are %q, want only the authorised one", got)
	}
	if anna, ben := c.follows("anna"), c.follows("ben"); len(anna) != 1 || len(ben) != 0 {
		t.Errorf("anna follows %q and ben %q, want ben and nobody", anna, ben)
	}
	if got := c.latest(); got != 7 {
		t.Errorf("latest is %d after unauthorised requests, want 7 as before", got)
	}
}

func TestRegisterAndLatestNeedNoCredentials(t *testing.T) {
	t.Parallel()
	c := newAPI(t, serve(t, options{}))
	for _, credentials := range wrongCredentials[:2] {
		header := http.Header{"Authorization": {credentials}}
		body := object("username", "user"+credentials, "email", "a@b", "pwd", "p")
		if a := c.send(request{method: "POST", path: "/register?latest=5", body: body, header: header}); a.status != http.StatusNoContent {
			t.Errorf("register with %q = %d %s, want 204", credentials, a.status, a.body)
		}
		if a := c.send(request{method: "GET", path: "/latest", header: header}); a.body != `{"latest":5}` {
			t.Errorf("GET /latest with %q = %d %s, want 5", credentials, a.status, a.body)
		}
	}
}

func TestTheSimulatorsCredentialsCanBeChanged(t *testing.T) {
	t.Parallel()
	c := newAPI(t, serve(t, options{env: []string{"SIMULATOR_CREDENTIALS=other:pass:word"}}))
	for credentials, want := range map[string]int{"other:pass:word": 200, "simulator:super_safe!": 403} {
		r := request{method: "GET", path: "/msgs", header: http.Header{"Authorization": {basic(credentials)}}}
		if a := c.send(r); a.status != want {
			t.Errorf("GET /msgs as %q = %d, want %d", credentials, a.status, want)
		}
	}
}
