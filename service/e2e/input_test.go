package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	check "minitwit/service/htmlcheck"
)

func TestBodiesThatAreNotWhatTheAPITakesAreRefused(t *testing.T) {
	t.Parallel()
	c := newAPI(t, serve(t, options{}))
	c.register("anna")
	bodies := []string{
		"", " ", "no JSON", "{", `{"content":`, `{"content":"x"} trailing`, `{content:"x"}`, "\x00", "\xff\xfe", `"text"`, "1", "true", "[]", "[{}]",
		"username=x&email=a%40b&pwd=p", "<xml/>", strings.Repeat("[", 60_000), `{"a":` + strings.Repeat(`{"a":`, 12_000),
	}
	for _, wrong := range []string{"1", "-1.5e300", "true", "[]", `["x"]`, "{}", `{"x":"y"}`} {
		bodies = append(bodies, fmt.Sprintf(`{"username":%[1]s,"email":%[1]s,"pwd":%[1]s,"content":%[1]s,"follow":%[1]s,"unfollow":%[1]s}`, wrong))
	}
	for _, text := range []string{`a\u0000b`, "a\x00b", "a\xffb", "\xc3\x28", "\xed\xa0\x80", "\xf8"} {
		bodies = append(bodies, strings.ReplaceAll(`{"username":"T","email":"@T","pwd":"T","content":"T","follow":"T"}`, "T", text))
	}
	for _, path := range []string{"/register", "/msgs/anna", "/fllws/anna"} {
		for _, body := range append(bodies, "{}", "null", `{"content":null,"follow":null,"unfollow":null}`) {
			c.wants(path, body, http.StatusBadRequest, "")
		}
	}
	if got := c.messages("/msgs"); len(got) != 0 {
		t.Errorf("a refused body has become the message %q", got[0].Content)
	}
}

func TestTextThatPostgresCannotHoldIsRefusedInEveryField(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	c := newAPI(t, a)
	v := newMember(t, a, "anna")
	stranger := newVisitor(t, a)
	for _, bad := range []string{"a\x00", "\x00", "a\xff", "\xc3\x28", "\xed\xa0\x80"} {
		escaped := url.PathEscape(bad)
		for _, r := range []request{
			{method: "GET", path: "/msgs/" + escaped},
			{method: "POST", path: "/msgs/" + escaped, body: `{"content":"x"}`},
			{method: "GET", path: "/fllws/" + escaped},
			{method: "POST", path: "/fllws/" + escaped, body: `{"follow":"anna"}`},
		} {
			if a := c.send(r); a.status != http.StatusBadRequest {
				t.Errorf("%v = %d %s, want 400", r, a.status, a.body)
			}
		}
		for _, path := range []string{"/" + escaped, "/" + escaped + "/follow", "/" + escaped + "/unfollow"} {
			if p := v.get(path); p.status != http.StatusBadRequest {
				t.Errorf("GET %s = %d, want 400", path, p.status)
			}
		}
		if p := v.share(bad); p.status != http.StatusBadRequest {
			t.Errorf("add_message %q = %d, want 400", bad, p.status)
		}
		for _, field := range []string{"username", "email", "password", "password2"} {
			form := registration("new")
			form.Set(field, bad+"@")
			for _, path := range []string{"/register", "/login"} {
				if p := stranger.post(path, form); p.status >= 500 || p.path != path {
					t.Errorf("POST %s with %s=%q = %d %s, want a refusal", path, field, bad, p.status, p.path)
				}
			}
		}
	}
	if p := v.get("/public"); len(p.messages()) != 0 {
		t.Errorf("a refused message is shown: %q", p.messages())
	}
}

func TestNamesOfFiveThousandCharactersAreRefusedWithAText(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	c := newAPI(t, a)
	v := newVisitor(t, a)
	for _, letter := range []string{"n", "ö", "🐘"} {
		long := strings.Repeat(letter, 5_000)
		for _, body := range []string{
			object("username", long, "email", "a@b", "pwd", "p"),
			object("username", "short", "email", long+"@b", "pwd", "p"),
		} {
			if a := c.post("/register", body); a.status != http.StatusBadRequest || !strings.Contains(a.body, "longer than 255 characters") {
				t.Errorf("register %.40s… = %d %s, want 400 and why", body, a.status, a.body)
			}
		}
		form := registration("short")
		form.Set("username", long)
		if p := v.post("/register", form); p.status != http.StatusOK || !strings.Contains(p.formError(), "longer than 255 characters") {
			t.Errorf("the form answers %d %q to a name of 5,000 times %s", p.status, p.formError(), letter)
		}
		if p := v.post("/login", credentials(long, "x")); p.formError() != "Invalid username" {
			t.Errorf("login with 5,000 times %s = %d %q", letter, p.status, p.formError())
		}
	}
	long := strings.Repeat("n", 10_000)
	if a := c.get("/msgs/" + long); a.status != http.StatusNotFound {
		t.Errorf("GET /msgs/<10,000 letters> = %d, want 404", a.status)
	}
	if p := v.get("/" + long); p.status != http.StatusNotFound {
		t.Errorf("GET /<10,000 letters> = %d, want 404", p.status)
	}
}

func TestAddressesOfPagesThatCannotBe(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	v := newMember(t, a, "anna")
	v.share("hello")
	const largest = "9223372036854775807"
	for _, start := range []string{"/public", "/anna", "/"} {
		for _, query := range []string{"before=0-0", "before=1-1", "after=" + largest + "-" + largest, "before=1-1&after=2-2", "unknown=1", "before=", "page=2"} {
			if p := v.get(start + "?" + query); p.status != http.StatusOK {
				t.Errorf("GET %s?%s = %d, want 200", start, query, p.status)
			}
		}
		for _, cursor := range []string{
			"x", "1", "-", "1-", "-1", "--", "1-x", "-1-1", "1--1", "1-1-1", "1.5-1", "+1-1", "01-1", largest + "8-1", "1-" + largest + "8",
			"%00", "%ff", "<script>", strings.Repeat("9", 5000),
		} {
			for _, direction := range []string{"before", "after"} {
				p := v.get(start + "?" + direction + "=" + cursor)
				if p.status != http.StatusBadRequest || check.In("h1")(p.doc) != nil || check.NotIn("main script")(p.doc) != nil {
					t.Errorf("GET %s?%s=%.30s = %d, want a page with 400", start, direction, cursor, p.status)
				}
			}
		}
	}
}

func TestFormsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	a := serve(t, options{})
	v := newMember(t, a, "anna")
	for _, test := range []struct {
		contentType, body string
		want              int
	}{
		{"application/x-www-form-urlencoded", "text=%zz", http.StatusBadRequest},
		{"application/x-www-form-urlencoded", "text=a%", http.StatusBadRequest},
		{"application/x-www-form-urlencoded", "text=" + strings.Repeat("x", 64<<10), http.StatusRequestEntityTooLarge},
		{"multipart/form-data", "text=x", http.StatusBadRequest},
		{"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nhalf of", http.StatusBadRequest},
		{"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n" + strings.Repeat("x", 64<<10) + "\r\n--b--", http.StatusRequestEntityTooLarge},
		{"application/json", `{"text":"x"}`, http.StatusOK}, // no form, so no text: ignored
		{"", "text=x", http.StatusOK},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.web+"/add_message", strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", test.contentType)
		got, err := fetch(v.client, req)
		if err != nil || got.status != test.want {
			t.Errorf("add_message with %q and %.40q = %d (%v), want %d", test.contentType, test.body, got.status, err, test.want)
		}
	}
	if p := v.get("/"); len(p.messages()) != 0 {
		t.Errorf("a form that could not be read has become the message %.40q", p.messages())
	}
}
