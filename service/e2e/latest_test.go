package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"minitwit/service/dbtest"
)

func TestLatestIsSetByEveryRequestOfTheSimulatorWhateverItsOutcome(t *testing.T) {
	t.Parallel()
	c := newAPI(t, serve(t, options{}))
	c.register("anna", "ben")
	if got := c.latest(); got != -1 {
		t.Errorf("latest is %d before the first, want -1", got)
	}
	for i, test := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/register", registeredAs("carl"), 204},
		{"POST", "/register", registeredAs("anna"), 400},
		{"POST", "/register", `{}`, 400},
		{"POST", "/register", `no JSON`, 400},
		{"GET", "/msgs", "", 200},
		{"GET", "/msgs/anna", "", 200},
		{"GET", "/msgs/nobody", "", 404},
		{"POST", "/msgs/anna", `{"content":"x"}`, 204},
		{"POST", "/msgs/nobody", `{"content":"x"}`, 404},
		{"POST", "/msgs/anna", `{}`, 400},
		{"POST", "/msgs/anna", `[`, 400},
		{"POST", "/msgs/anna", object("content", strings.Repeat("x", 16<<10+1)), 413},
		{"POST", "/msgs/anna", strings.Repeat(" ", 64<<10+1), 413},
		{"POST", "/register", strings.Repeat(" ", 64<<10+1), 413},
		{"GET", "/fllws/anna", "", 200},
		{"GET", "/fllws/nobody", "", 404},
		{"POST", "/fllws/anna", `{"follow":"ben"}`, 204},
		{"POST", "/fllws/anna", `{"unfollow":"ben"}`, 204},
		{"POST", "/fllws/anna", `{"unfollow":"ben"}`, 204},
		{"POST", "/fllws/anna", `{"follow":"nobody"}`, 404},
		{"POST", "/fllws/anna", `{}`, 400},
	} {
		r := request{method: test.method, path: fmt.Sprintf("%s?latest=%d", test.path, 100+i), body: test.body}
		if a := c.send(r); a.status != test.status {
			t.Errorf("%v = %d %s, want %d", r, a.status, a.body, test.status)
		}
		if got := c.latest(); got != int64(100+i) {
			t.Errorf("latest is %d after %v, want %d", got, r, 100+i)
		}
	}
}

func registeredAs(name string) string {
	return object("username", name, "email", "a@b", "pwd", "p")
}

func TestLatestTakesIntegersOnly(t *testing.T) {
	t.Parallel()
	c := newAPI(t, serve(t, options{}))
	for _, test := range []struct {
		param string
		want  int64
	}{
		{"1", 1},
		{"0", 0},
		{"-5", -5},
		{"007", 7},
		{"2147483648", 2147483648},
		{"9223372036854775807", 9223372036854775807},
		{"3", 3}, // a smaller one too: it is the newer request's
	} {
		if c.get("/msgs?latest=" + test.param); c.latest() != test.want {
			t.Errorf("latest is %d after latest=%s, want %d", c.latest(), test.param, test.want)
		}
	}
	ignored := []string{
		"", " ", "abc", "1.5", "1e3", "0x10", "7 ", " 7", "1_000", "--1", "NaN", "null", "٣",
		"99999999999999999999", "-99999999999999999999", "\x00", "1;drop table latest",
	}
	for _, param := range ignored {
		a := c.get("/msgs?latest=" + url.QueryEscape(param))
		if got := c.latest(); a.status != http.StatusOK || got != 3 {
			t.Errorf("latest=%q is answered %d and makes latest %d, want 200 and 3", param, a.status, got)
		}
	}
	if c.get("/msgs"); c.latest() != 3 {
		t.Errorf("latest is %d after a request without it, want 3", c.latest())
	}
	if c.get("/latest?latest=8"); c.latest() != 3 {
		t.Errorf("GET /latest itself has set latest to %d", c.latest())
	}
}

func TestLatestIsOnEveryReplicaOnceTheAnswerIsSent(t *testing.T) {
	t.Parallel()
	db := dbtest.URL(t)
	onlyAPI := options{db: db, args: []string{"--only", "api"}}
	replicas := []*apiClient{newAPI(t, serve(t, onlyAPI)), newAPI(t, serve(t, onlyAPI))}
	replicas[0].register("anna")
	const rounds = 300
	for i := range rounds {
		asked, other := replicas[i%2], replicas[(i+1)%2]
		query := fmt.Sprintf("?latest=%d", i)
		switch i % 3 {
		case 0:
			if a := asked.get("/msgs" + query); a.status != http.StatusOK {
				t.Fatalf("GET /msgs%s = %d %s, want 200", query, a.status, a.body)
			}
		case 1:
			asked.wants("/msgs/anna"+query, `{"content":"x"}`, http.StatusNoContent, "")
		case 2:
			asked.wants("/msgs/nobody"+query, `{"content":"x"}`, http.StatusNotFound, "")
		}
		if got := other.latest(); got != int64(i) {
			t.Fatalf("the other replica says %d after latest=%d was answered", got, i)
		}
	}
}

func TestLatestSurvivesARestart(t *testing.T) {
	t.Parallel()
	db := dbtest.URL(t)
	first := serve(t, options{db: db})
	newAPI(t, first).get("/msgs?latest=1234")
	first.terminate()
	if got := newAPI(t, serve(t, options{db: db})).latest(); got != 1234 {
		t.Errorf("latest is %d after a restart, want 1234", got)
	}
}
