package alertmanager

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/textproto"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"minitwit/service/wait"
)

// production runs Alertmanager on production's own file, whose receivers are led to
// the sink and to a mail server of the test's.
func production(t *testing.T, s *sink, m *mailServer, replaced ...string) *alertmanager {
	t.Helper()
	secrets := t.TempDir()
	for name, value := range map[string]string{
		"pagerduty_key": "key", "slack_page_url": s.URL + "/slack-page", "slack_ticket_url": s.URL + "/slack-ticket",
		"smtp_password": "password", "deadman_token": "token",
	} {
		write(t, filepath.Join(secrets, name), value)
	}
	place := strings.NewReplacer(
		"EDIT-ME:587", m.addr, "https://EDIT-ME", s.URL, "EDIT-ME", "minitwit.example", "/run/secrets", secrets,
		"global:", "global:\n  smtp_require_tls: false\n  pagerduty_url: "+s.URL+"/pagerduty",
	).Replace(read(t, "places/production.yml"))
	return start(t, assemble(t, place, replaced...))
}

// The longest that a locked phone shows of a title.
const titleLength = 80

func TestAPageReadsWellWhereverItArrives(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	a := production(t, s, newMailServer(t), "group_interval: 30s", "group_interval: 2s")
	begin := time.Now()
	api, web := newAlert("CertificateExpires", labels{"instance": "api"}), newAlert("CertificateExpires", labels{"instance": "web"})
	api.Annotations["summary"], api.Annotations["description"] = "api has 2 days left", "No probe & nobody <else>"
	web.Annotations["summary"] = "web has 2 days left"
	a.post(t, api)
	a.post(t, web)
	wait.For(t, time.Minute, "all ways have a page", func() bool {
		return len(s.of("/notify", "")) > 0 && len(s.of("/slack-page", "")) > 0 && len(s.of("/pagerduty", "")) > 0
	})
	if took := s.of("/notify", "")[0].at.Sub(begin); took < 4*time.Second || took > 25*time.Second {
		t.Errorf("the first notice took %v, want about 5 s and not Alertmanager's own 30", took)
	}
	const title = "[PAGE 2] production: api has 2 days left; web has 2 days left"
	slack := slackOf(t, s, "/slack-page", 0)
	if slack.Title != title || slack.Fallback != title || slack.TitleLink != "https://runbooks.example/CertificateExpires.md" || slack.Color != "danger" {
		t.Errorf("Slack shows %+v", slack)
	}
	holds(t, "Slack's text", slack.Text, "<https://runbooks.example/CertificateExpires.md|Runbook>", "*api has 2 days left*",
		"No probe &amp; nobody &lt;else&gt;", " UTC")
	holds(t, "PagerDuty's event", s.body("/pagerduty"), title, `"event_action":"trigger"`, `"severity":"critical"`,
		`"Runbook: https://runbooks.example/CertificateExpires.md\n\napi has 2`, `{"href":"https://runbooks.example/CertificateExpires.md","text":"Runbook"}`)
	if strings.Contains(slack.Text+s.body("/pagerduty"), "RESOLVED") {
		t.Error("a page speaks of RESOLVED")
	}
	if !slices.Contains(s.auth, "Bearer token") {
		t.Error("the dead man's switch was not given its token")
	}
	t.Run("resolved", func(t *testing.T) { endsOnce(t, s, a, api, web) })
}

// endsOnce ends what fires; it is told once, with what a RESOLVED is worth, and by
// PagerDuty's own way not at all.
func endsOnce(t *testing.T, s *sink, a *alertmanager, alerts ...alert) {
	t.Helper()
	for i := range alerts {
		alerts[i] = alerts[i].ended()
	}
	a.post(t, alerts...)
	wait.For(t, 15*time.Second, "the end is told", func() bool { return len(s.of("/notify", "")) == 2 && len(s.of("/slack-page", "")) == 2 })
	// Its first notice takes longer than the next two intervals of the others.
	a.post(t, newAlert("Last", nil))
	wait.For(t, 15*time.Second, "the last is told everywhere", func() bool {
		return len(s.of("/notify", "Last")) == 1 && len(s.of("/slack-page", "")) == 3 && strings.Contains(s.body("/pagerduty"), "Last")
	})
	told := s.of("/notify", "CertificateExpires")
	if len(told) != 2 || told[0].Status != "firing" || told[1].Status != "resolved" || len(told[0].Alerts) != 2 || len(told[1].Alerts) != 2 {
		t.Errorf("two names came as %+v, want one notice of both that they fire, and one that they ended", told)
	}
	if strings.Contains(s.body("/pagerduty"), `"event_action":"resolve"`) {
		t.Error("Alertmanager closed the incident at PagerDuty: only the dead man's switch may")
	}
	slack := slackOf(t, s, "/slack-page", 1)
	holds(t, "Slack's text", slack.Title+"\n"+slack.Text+"\n"+slack.Color, "[RESOLVED] production: api has 2 days left;", "ended: web has 2 days",
		"RESOLVED counts only while the heartbeat lives", "good")
}

func TestATicketReadsWellInMailAndSlack(t *testing.T) {
	t.Parallel()
	s, m := newSink(t), newMailServer(t)
	a := production(t, s, m, "group_wait: 1m", "group_wait: 1s")
	ticket := newAlert("BackupTooOld", labels{"severity": "ticket"})
	ticket.Annotations["summary"] = "the newest backup is  older than\na day, which is far too long for anybody to sleep well, even on Sundays"
	a.post(t, ticket)
	wait.For(t, 15*time.Second, "both ways have the ticket", func() bool { return m.count() == 1 && len(s.of("/slack-ticket", "")) == 1 })
	const title = "[TICKET 1] production: the newest backup is older than a day, which is far too …"
	if n := len([]rune(title)); n != titleLength {
		t.Errorf("the test's own title has %d characters", n)
	}
	if slack := slackOf(t, s, "/slack-ticket", 0); slack.Title != title {
		t.Errorf("Slack's title is %q, want %q", slack.Title, title)
	}
	subject, text, html := m.message(t)
	if subject != title {
		t.Errorf("the mail's subject is %q, want %q", subject, title)
	}
	if !strings.HasPrefix(text, "Runbook: https://runbooks.example/BackupTooOld.md\n") {
		t.Errorf("the mail does not begin with the runbook:\n%s", text)
	}
	holds(t, "the mail's text", text, "it is 7 % & more than <5 %>", "\nsince 20", "Dashboard: https://grafana.example/d/service")
	holds(t, "the mail's HTML", html, `<a href="https://runbooks.example/BackupTooOld.md">Runbook</a>`, "it is 7 % &amp; more than &lt;5 %&gt;", "<br>\nsince 20")
	if len(s.of("/notify", "")) != 0 {
		t.Error("a ticket was paged")
	}
}

func TestATitleFitsWhateverTheAlert(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	a := production(t, s, newMailServer(t), hasty...)
	bare := newAlert("Bare", labels{"severity": "odd"})
	bare.Annotations = nil
	long := newAlert("Long", nil)
	long.Annotations["summary"] = strings.Repeat("ä", 200)
	exact := newAlert("Exact", nil)
	exact.Annotations["summary"] = strings.Repeat("ä", titleLength-len("[PAGE 1] production: "))
	a.post(t, bare, long, exact)
	wait.For(t, 15*time.Second, "three pages", func() bool { return len(s.of("/slack-page", "")) == 3 })
	var titles []string
	for i := range 3 {
		title := slackOf(t, s, "/slack-page", i).Title
		titles = append(titles, title)
		if n := len([]rune(title)); n > titleLength {
			t.Errorf("%q has %d characters", title, n)
		}
	}
	for _, want := range []string{"[ODD 1] production: Bare", "[PAGE 1] production: " + exact.Annotations["summary"], "[PAGE 1] production: " + strings.Repeat("ä", 58) + "…"} {
		if !slices.Contains(titles, want) {
			t.Errorf("titles are %q, want %q among them", titles, want)
		}
	}
}

type attachment struct {
	Title, Text, Fallback, Color string
	TitleLink                    string `json:"title_link"`
}

// slackOf gives the n-th message that came to a path.
func slackOf(t *testing.T, s *sink, path string, n int) attachment {
	t.Helper()
	var message struct{ Attachments []attachment }
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := json.Unmarshal([]byte(s.bodies[path][n]), &message); err != nil || len(message.Attachments) != 1 {
		t.Fatalf("Slack gets %s: %v", s.bodies[path][n], err)
	}
	return message.Attachments[0]
}

func holds(t *testing.T, what, text string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("%s does not hold %q:\n%s", what, want, text)
		}
	}
}

// mailServer speaks as much SMTP as it takes to be given a message.
type mailServer struct {
	addr     string
	mu       sync.Mutex
	messages []string
}

func newMailServer(t *testing.T) *mailServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	m := &mailServer{addr: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go m.serve(c)
		}
	}()
	return m
}

func (m *mailServer) serve(conn net.Conn) {
	c := textproto.NewConn(conn)
	defer c.Close()
	_ = c.PrintfLine("220 sink")
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		answer := "250 ok"
		switch verb, _, _ := strings.Cut(line, " "); verb {
		case "DATA":
			_ = c.PrintfLine("354 go on")
			body, _ := c.ReadDotBytes()
			m.mu.Lock()
			m.messages = append(m.messages, string(body))
			m.mu.Unlock()
		case "QUIT":
			answer = "221 bye"
		}
		_ = c.PrintfLine("%s", answer)
	}
}

func (m *mailServer) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.messages)
}

// message gives the only message.
func (m *mailServer) message(t *testing.T) (subject, text, html string) {
	t.Helper()
	message, err := mail.ReadMessage(strings.NewReader(m.messages[0]))
	if err != nil {
		t.Fatal(err)
	}
	if subject, err = new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject")); err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := make(map[string]string)
	for r := multipart.NewReader(message.Body, params["boundary"]); ; {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := strings.Cut(part.Header.Get("Content-Type"), ";")
		parts[kind] = strings.ReplaceAll(string(content), "\r\n", "\n")
	}
	if len(parts) != 2 {
		t.Fatalf("the mail has %d parts", len(parts))
	}
	return subject, parts["text/plain"], parts["text/html"]
}
