package web_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	check "minitwit/service/htmlcheck"
)

func TestAddedMessageIsShown(t *testing.T) {
	t.Parallel()
	b := newSite(t, "me").signedIn(t, "me")
	const text = "  first\r\n\nsecond <b>&amp; \"'😀 "
	b.post("/add_message", "text", text).wantRedirect(t, "add", http.StatusSeeOther, "/")
	b.get("/").wantPage(t, "after add", http.StatusOK, hasFlash("Your message was recorded"),
		// reading HTML makes one line break of CR LF
		check.In("ul.messages .text", check.IsText(strings.ReplaceAll(text, "\r\n", "\n"))))
}

func TestEmptyMessageIsIgnored(t *testing.T) {
	t.Parallel()
	b := newSite(t, "me").signedIn(t, "me")
	for _, fields := range [][]string{{}, {"text", ""}, {"text", " \r\n\t\u00a0"}} {
		b.post("/add_message", fields...).wantRedirect(t, "add "+strings.Join(fields, "="), http.StatusSeeOther, "/")
		b.get("/").wantPage(t, "after it", http.StatusOK, check.NotIn(".flashes"), check.NotIn("ul.messages"))
	}
}

func TestWritingNeedsSomebodySignedIn(t *testing.T) {
	t.Parallel()
	s := newSite(t, "me")
	b := s.browser(t)
	b.post("/add_message", "text", "hello").wantPage(t, "add signed out", http.StatusUnauthorized)
	b.get("/public").wantPage(t, "after it", http.StatusOK, check.NotIn("ul.messages"))
}

func TestMultipartFormsAreRead(t *testing.T) {
	t.Parallel()
	b := newSite(t, "me").signedIn(t, "me")
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	if err := w.WriteField("text", "in parts"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	b.do(http.MethodPost, "/add_message", &body, w.FormDataContentType()).
		wantRedirect(t, "add", http.StatusSeeOther, "/")
	b.get("/").wantPage(t, "after add", http.StatusOK, check.In("ul.messages .text", check.IsText("in parts")))
}

func TestFormsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	const form = "application/x-www-form-urlencoded"
	cases := []struct {
		name, body, contentType string
		want                    int
	}{
		{"NUL", "text=a%00b", form, http.StatusBadRequest},
		{"invalid UTF-8", "text=%ff", form, http.StatusBadRequest},
		{"broken escape", "text=%zz", form, http.StatusBadRequest},
		{"too large", "text=" + strings.Repeat("x", 1<<16), form, http.StatusRequestEntityTooLarge},
		{"broken parts", "--b\r\nno", "multipart/form-data; boundary=b", http.StatusBadRequest},
		{
			"too large in parts", "--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n" + strings.Repeat("x", 1<<16),
			"multipart/form-data; boundary=b", http.StatusRequestEntityTooLarge,
		},
	}
	b := newSite(t, "me").signedIn(t, "me")
	for _, tc := range cases {
		b.do(http.MethodPost, "/add_message", strings.NewReader(tc.body), tc.contentType).wantPage(t, tc.name, tc.want)
	}
	for _, field := range []string{"username", "password", "email", "password2"} {
		for _, path := range []string{"/login", "/register"} {
			if path == "/login" && strings.HasSuffix(field, "2") || path == "/login" && field == "email" {
				continue
			}
			newSite(t).browser(t).post(path, field, "a\x00").wantPage(t, path+" "+field, http.StatusBadRequest)
		}
	}
}
