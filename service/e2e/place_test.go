//go:build place

package e2e

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// Tests of a place that runs, by ./scripts/run.sh smoke: what its users do, with names
// of their own, since what they write stays. Nobody else may use its API meanwhile.

// place gives the addresses that users have.
func place(t *testing.T) *app {
	t.Helper()
	a := &app{t: t, api: os.Getenv("PLACE_API"), web: os.Getenv("PLACE_WEB")}
	if a.api == "" || a.web == "" {
		t.Fatal("set PLACE_API and PLACE_WEB, or use ./scripts/run.sh smoke PLACE")
	}
	return a
}

// once makes a name that nobody has had.
func once(name string) string { return name + "-" + time.Now().UTC().Format("20060102-150405.000") }

// simulatorOf gives the headers of somebody who knows the place's credentials.
func simulatorOf(t *testing.T) http.Header {
	t.Helper()
	r := http.Request{Header: http.Header{"Content-Type": {"application/json"}}}
	content, err := os.ReadFile(os.Getenv("SIMULATOR_CREDENTIALS_FILE"))
	if os.Getenv("SIMULATOR_CREDENTIALS_FILE") == "" {
		content, err = []byte("simulator:super_safe!"), nil
	}
	user, password, _ := strings.Cut(strings.TrimSpace(string(content)), ":")
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(user, password)
	return r.Header
}

func TestThePlaceKeepsTheSimulatorsContract(t *testing.T) {
	c, header := newAPI(t, place(t)), simulatorOf(t)
	anna, ben, text := once("anna"), once("ben"), once("by anna")
	for _, step := range []struct {
		method, path, body string
		status             int
		holds              string
	}{
		{"POST", "/register?latest=1001", object("username", anna, "email", "a@b", "pwd", "p"), 204, ""},
		{"POST", "/register?latest=1002", object("username", ben, "email", "a@b", "pwd", "p"), 204, ""},
		{"POST", "/register", object("username", ben, "email", "a@b", "pwd", "p"), 400, "taken"},
		{"POST", "/msgs/" + anna + "?latest=1003", object("content", text), 204, ""},
		{"GET", "/msgs/" + anna + "?no=5", "", 200, text},
		{"GET", "/msgs?no=20", "", 200, text},
		{"POST", "/fllws/" + anna, object("follow", ben), 204, ""},
		{"GET", "/fllws/" + anna, "", 200, `{"follows":["` + ben + `"]}`},
		{"POST", "/fllws/" + anna, object("unfollow", ben), 204, ""},
		{"GET", "/fllws/" + anna, "", 200, `{"follows":[]}`},
		{"GET", "/msgs/" + once("nobody"), "", 404, "no user"},
		{"GET", "/latest", "", 200, `{"latest":1003}`},
	} {
		a := c.send(request{method: step.method, path: step.path, body: step.body, header: header})
		if a.status != step.status || !strings.Contains(a.body, step.holds) {
			t.Errorf("%s %s = %d %.200s, want %d and %q in it", step.method, step.path, a.status, a.body, step.status, step.holds)
		}
	}
	header.Set("Authorization", "Basic bm9ib2R5Om5vdGhpbmc=")
	if a := c.send(request{method: "GET", path: "/msgs", header: header}); a.status != http.StatusForbidden {
		t.Errorf("GET /msgs with wrong credentials = %d, want 403", a.status)
	}
}

func TestAPersonsWayThroughThePlace(t *testing.T) {
	a := place(t)
	for _, l := range []look{{width: 360}, {width: 1280, noScript: true}} {
		name, text := once("carla"), once("by carla")
		b := newTab(t, a, l)
		b.visit("/register")
		b.typeIn("#username", name)
		b.typeIn("#email", "carla@example.org")
		b.typeIn("#password", "secret")
		b.typeIn("#password2", "secret")
		b.click(".actions input")
		b.show("/login", "You were successfully registered and can login now")
		b.typeIn("#username", name)
		b.typeIn("#password", "secret"+kb.Tab)
		b.click(".actions input")
		b.show("/", "You were logged in")
		b.typeIn("#text", text)
		b.click(".actions input")
		b.show("/", "Your message was recorded")
		b.visit("/public")
		if got := b.text("ul.messages"); !strings.Contains(got, text) {
			t.Errorf("%v: the public timeline does not show %q: %.300s", l, text, got)
		}
		b.fits()
		b.click(`nav form[action="/logout"] button`)
		b.show("/public", "You were logged out")
	}
}
