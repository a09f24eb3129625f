package e2e

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"minitwit/service/dbtest"
)

func TestRegisterChecksInTheOrderOfTheOldSystem(t *testing.T) {
	t.Parallel()
	c := newAPI(t, serve(t, options{}))
	c.register("taken")
	const (
		noName = "You have to enter a username"
		noMail = "You have to enter a valid email address"
		noWord = "You have to enter a password"
		taken  = "The username is already taken"
	)
	for _, test := range []struct{ body, want string }{
		{`{}`, noName},
		{`{"email":"a@b","pwd":"p"}`, noName},
		{`{"username":"","email":"","pwd":""}`, noName},
		{`{"username":null,"email":"a@b","pwd":"p"}`, noName},
		{`{"username":" ","email":"a@b","pwd":"p"}`, noName},
		{`{"username":"taken"}`, noMail},
		{`{"username":"taken","email":"","pwd":""}`, noMail},
		{`{"username":"new","email":"no at","pwd":"p"}`, noMail},
		{`{"username":"taken","email":"a@b"}`, noWord},
		{`{"username":"new","email":"@","pwd":""}`, noWord},
		{`{"username":"taken","email":"a@b","pwd":"p"}`, taken},
	} {
		c.wants("/register", test.body, http.StatusBadRequest, `{"status":400,"error_msg":"`+test.want+`"}`)
	}
	if a := c.get("/msgs/new"); a.status != http.StatusNotFound {
		t.Errorf("a refused registration has made a user: %d", a.status)
	}
}

func TestRegisterTakesWhatTheSimulatorSends(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	c := newAPI(t, a)
	for _, test := range []struct{ name, email, pwd string }{
		{"Roger Histand", "Roger+Histand@hotmail.com", `C%}'dg[,.;"\ `},
		{"one letter of a password", "@", "x"},
		{"very long password", "a@b", strings.Repeat("pässword ", 1000)},
		{"Zoë 🐘", "zoë@exämple.org", "🐘"},
		{strings.Repeat("ö", 255), "a@b", "p"},
	} {
		c.wants("/register", object("username", test.name, "email", test.email, "pwd", test.pwd), http.StatusNoContent, "")
		if v := newVisitor(t, a); !v.signIn(test.name, test.pwd) {
			t.Errorf("%.40q cannot sign in with the password %.40q", test.name, test.pwd)
		}
	}
}

func TestNamesThatDifferInCaseAreDifferentUsers(t *testing.T) {
	t.Parallel()
	c := newAPI(t, serve(t, options{}))
	c.register("anna", "Anna", "ANNA")
	c.tweet("Anna", "I am Anna")
	if got := c.contents("/msgs/anna"); len(got) != 0 {
		t.Errorf("anna has written %q, which Anna did", got)
	}
}

func TestNamesThatAreRoutesCannotBeRegisteredOnEitherPort(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	c := newAPI(t, a)
	v := newVisitor(t, a)
	for _, name := range []string{"public", "login", "register", "logout", "add_message", "static", "Public", "STATIC", ".", ".."} {
		answer := c.post("/register", object("username", name, "email", "a@b", "pwd", "p"))
		if answer.status != http.StatusBadRequest || !strings.Contains(answer.body, "is reserved") {
			t.Errorf("register %q by the API = %d %s, want 400 and why", name, answer.status, answer.body)
		}
		if p := v.post("/register", registration(name)); !strings.Contains(p.formError(), "is reserved") {
			t.Errorf("register %q by the form = %d %q, want why not", name, p.status, p.formError())
		}
	}
}

func TestOfRegistrationsOfOneNameAtOnceOneSucceeds(t *testing.T) {
	t.Parallel()
	db := dbtest.URL(t)
	c := newAPI(t, serve(t, options{db: db}))
	other := newAPI(t, serve(t, options{args: []string{"--only", "api"}, db: db}))
	const rounds, rivals = 10, 4
	for round := range rounds {
		body := object("username", "rival "+string(rune('0'+round)), "email", "a@b", "pwd", "p")
		var statuses [rivals]int
		var all sync.WaitGroup
		for i := range rivals {
			all.Go(func() {
				client := []*apiClient{c, other}[i%2]
				a, err := client.try(request{method: "POST", path: "/register", body: body})
				if err != nil {
					t.Error(err)
				}
				if a.status == http.StatusBadRequest && !strings.Contains(a.body, "already taken") {
					t.Errorf("a rival is told %s", a.body)
				}
				statuses[i] = a.status
			})
		}
		all.Wait()
		count := map[int]int{}
		for _, status := range statuses {
			count[status]++
		}
		if count[http.StatusNoContent] != 1 || count[http.StatusBadRequest] != rivals-1 {
			t.Errorf("%d registrations at once were answered %v, want one 204 and else 400", rivals, statuses)
		}
	}
}
