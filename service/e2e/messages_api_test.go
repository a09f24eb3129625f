package e2e

import (
	"fmt"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minitwit/service/dbtest"
)

// execute changes a database behind the server's back, as the past has.
func execute(t testing.TB, db, statement string) {
	t.Helper()
	store := dbtest.OpenPatient(t, db)
	if _, err := store.DB().ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// fill gives each of some users that many messages, a second apart, which read
// "message 1" and so on.
func fill(t testing.TB, db string, messages int) {
	t.Helper()
	execute(t, db, fmt.Sprintf(`INSERT INTO messages (author_id, text, pub_date)
		SELECT users.id, 'message ' || n, 1700000000 + n FROM users, generate_series(1, %d) AS n ORDER BY n`, messages))
}

func TestNoBoundsTheLists(t *testing.T) {
	t.Parallel()
	db := dbtest.URL(t)
	c := newAPI(t, serve(t, options{db: db}))
	c.register("anna")
	execute(t, db, `INSERT INTO users (username, email, pw_hash) SELECT 'user ' || n, 'a@b', '' FROM generate_series(1, 1100) n`)
	execute(t, db, `INSERT INTO followers SELECT anna.id, whom.id FROM users anna, users whom
		WHERE anna.username = 'anna' AND whom.username <> 'anna'`)
	execute(t, db, `INSERT INTO messages (author_id, text) SELECT id, 'x' FROM users, generate_series(1, 1100) WHERE username = 'anna'`)
	for _, test := range []struct {
		query string
		want  int
	}{
		{"", 100},
		{"?no=0", 0},
		{"?no=1", 1},
		{"?no=5", 5},
		{"?no=005", 5},
		{"?no=-0", 0},
		{"?no=-1", 100},
		{"?no=-1001", 100},
		{"?no=1000", 1000},
		{"?no=1001", 1000},
		{"?no=2147483648", 1000},
		{"?no=99999999999999999999", 1000},
		{"?no=-99999999999999999999", 100},
		{"?no=abc", 100},
		{"?no=", 100},
		{"?no=1.5", 100},
		{"?no=1e3", 100},
		{"?no=%00", 100},
		{"?no=%ff", 100},
		{"?no=5%20", 100},
		{"?no", 100},
	} {
		for _, path := range []string{"/msgs", "/msgs/anna"} {
			if got := len(c.messages(path + test.query)); got != test.want {
				t.Errorf("GET %s%s gives %d messages, want %d", path, test.query, got, test.want)
			}
		}
		var body struct{ Follows []string }
		if c.read("/fllws/anna"+test.query, &body); len(body.Follows) != test.want {
			t.Errorf("GET /fllws/anna%s gives %d names, want %d", test.query, len(body.Follows), test.want)
		}
	}
}

func TestMessagesCarryTheirAuthorTextAndTime(t *testing.T) {
	t.Parallel()
	c := newAPI(t, serve(t, options{}))
	c.register("anna", "ben")
	before := time.Now().Unix()
	texts := []string{
		"plain", "", " ", "<b>&amp;</b> \"quoted\" 'text'", "two\nlines\tand\ttabs", "Grüße 🐘 中文 العربية", `back\slash \u0041`,
		"\u2028\u2029\ufeff\ufffd", strings.Repeat("long ", 2000), "'; DROP TABLE users; --", "%s %d {{.}}",
	}
	for _, text := range texts {
		c.tweet("anna", text)
	}
	c.tweet("ben", "by ben")
	after := time.Now().Unix()

	got := c.messages("/msgs/anna")
	slices.Reverse(got)
	for i, m := range got {
		if m.Content != texts[i] || m.User != "anna" || m.PubDate < before || m.PubDate > after {
			t.Errorf("message %d is %+v, want %q by anna between %d and %d", i, m, texts[i], before, after)
		}
	}
	if len(got) != len(texts) {
		t.Errorf("anna has %d messages, want %d", len(got), len(texts))
	}
	if all := c.messages("/msgs"); len(all) != len(texts)+1 || all[0].User != "ben" {
		t.Errorf("the public list has %d messages and begins with %+v, want %d and ben's", len(all), all[0], len(texts)+1)
	}
}

func TestMessagesAreNewestFirstByDateAndThenByID(t *testing.T) {
	t.Parallel()
	db := dbtest.URL(t)
	c := newAPI(t, serve(t, options{db: db}))
	c.register("anna")
	execute(t, db, `INSERT INTO messages (author_id, text, pub_date) SELECT id, text, date FROM users,
		(VALUES ('tie 1', 50), ('tie 2', 50), ('oldest', 10), ('tie 3', 50), ('newest', 90), ('tie 4', 50)) v (text, date)`)
	want := []string{"newest", "tie 4", "tie 3", "tie 2", "tie 1", "oldest"}
	for _, path := range []string{"/msgs", "/msgs/anna", "/msgs?no=6"} {
		if diff := cmp.Diff(want, c.contents(path)); diff != "" {
			t.Errorf("GET %s (-want +got):\n%s", path, diff)
		}
	}
	if diff := cmp.Diff(want[:3], c.contents("/msgs?no=3")); diff != "" {
		t.Errorf("GET /msgs?no=3 (-want +got):\n%s", diff)
	}
}

func TestFlaggedMessagesAreNeverShown(t *testing.T) {
	t.Parallel()
	db := dbtest.URL(t)
	a := serve(t, options{db: db})
	c := newAPI(t, a)
	anna := newMember(t, a, "anna")
	for _, text := range []string{"good", "bad", "fine"} {
		c.tweet("anna", text)
	}
	id := ""
	for line := range strings.Lines(flagTool(t, db, "--list")) {
		if number, rest, _ := strings.Cut(line, "\t"); strings.Contains(rest, `"bad"`) {
			id = number
		}
	}
	flagTool(t, db, id)
	lists := func() map[string][]string {
		return map[string][]string{
			"API /msgs": c.contents("/msgs"), "API /msgs/anna": c.contents("/msgs/anna"), "API /msgs?no=2": c.contents("/msgs?no=2"),
			"/": anna.get("/").messages(), "/public": anna.get("/public").messages(), "/anna": anna.get("/anna").messages(),
		}
	}
	for path, got := range lists() {
		if diff := cmp.Diff([]string{"fine", "good"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	flagTool(t, db, "--undo", id)
	for path, got := range lists() {
		if want := []string{"fine", "bad", "good"}; path != "API /msgs?no=2" && !slices.Equal(got, want) {
			t.Errorf("%s has %q after the flag is taken back, want %q", path, got, want)
		}
	}
}

// flagTool runs the moderator's command.
func flagTool(t testing.TB, db string, args ...string) string {
	t.Helper()
	cmd := exec.Command(binaries.release, append([]string{"flag"}, args...)...)
	cmd.Env = []string{"DATABASE_URL=" + db}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("minitwit flag %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestNamesOfAnyCharactersWorkInPathsAndBodies(t *testing.T) {
	t.Parallel()
	c := newAPI(t, serve(t, options{}))
	names := []string{
		"Roger Histand", " lead and trail ", "a/b", "/", "a//b", "dots..", "...", ".hidden", "a/../b", "50%", "100%25", "%2F", "what?", "c#",
		"a+b", "a&b=c;d", `quo"te`, "apo's", `back\slash`, "<b>", "Zoë", "🐘 elephant", "名前", "follow", "a:b@c", "~tilde", "[x]", "*",
	}
	c.register(names...)
	for i, name := range names {
		c.tweet(name, "by "+name)
		c.follow(name, names[(i+1)%len(names)])
	}
	for i, name := range names {
		want := []string{"by " + name}
		if got := c.contents("/msgs/" + url.PathEscape(name)); !slices.Equal(got, want) {
			t.Errorf("messages of %q are %q, want %q", name, got, want)
		}
		want = []string{names[(i+1)%len(names)]}
		if got := c.follows(name); !slices.Equal(got, want) {
			t.Errorf("%q follows %q, want %q", name, got, want)
		}
	}
}
