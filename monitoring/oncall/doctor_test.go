package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"go.yaml.in/yaml/v3"

	"minitwit/service/dbtest"
	"minitwit/service/freeport"
)

// surface answers as a replica, with a status.
func surface(t *testing.T, status int) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, toUsers+"draining", status) }))
	t.Cleanup(s.Close)
	return s.URL + "/readyz?a=b"
}

// args are those of a doctor who has somebody to ask about everything.
func args(prometheus, manager, web string, more ...string) []string {
	return append([]string{
		"doctor", "--prometheus", prometheus, "--docker", manager, "--ask", "web=" + web, "--runbooks", "../runbooks", "--timeout", enough.String(),
	}, more...)
}

func TestWhereNothingIsWrongTheDoctorSaysSo(t *testing.T) {
	t.Parallel()
	got := oncall(t, []string{"DATABASE_URL=" + dbtest.URL(t)}, args(startPrometheus(t, watchdog), engine(t, whole(t)), surface(t, 200))...)
	if got.code != exitFine || !strings.HasPrefix(got.out, "nothing is broken  20") || got.err != "" {
		t.Errorf("%+v", got)
	}
	// Each line begins with "ok", there is nothing to do first, and no colour.
	for _, line := range strings.Split(strings.TrimSpace(got.out), "\n")[1:] {
		if !strings.HasPrefix(line, "ok ") || strings.Contains(line, "\x1b") {
			t.Errorf("%q", line)
		}
	}
}

// An outage: a release, then the database. All of it fits a screen.
func TestAnOutageOnOneScreen(t *testing.T) {
	t.Parallel()
	// Ahead of all that is dated: it takes its time to start, and minutes are rounded.
	prometheus := startPrometheus(t, outage)
	l := whole(t)
	began := time.Now().Add(-5 * time.Minute)
	l.Services[0].UpdateStatus.StartedAt = &began
	task(&l).Status = swarm.TaskStatus{State: swarm.TaskStateFailed, Err: "task: non-zero exit (1)", Timestamp: began.Add(time.Minute)}
	env := []string{"DATABASE_URL=postgres://minitwit:hunter2@" + freeport.For(t) + "/minitwit?sslmode=disable"}
	web := surface(t, 503)
	got := oncall(t, env, args(prometheus, engine(t, l), web)...)
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	if got.code != exitBroken || len(lines) > 25 || strings.Contains(got.out, "hunter2") {
		t.Errorf("exit %d, %d lines:\n%s", got.code, len(lines), got.out)
	}
	t.Logf("\n%s", got.out)
	want := []string{
		`BROKEN: 3 firing as page, 3 seen broken, 1 firing as ticket, 1 not known, 1 pending  20`,
		`PAGE       alert DatabaseDown                .*no replica reaches the database, since .* -> ../runbooks/DatabaseDown.md`,
		`PAGE       alert EndpointDown surface=api `,
		`PAGE       alert OfSomebodyElse `,
		`BROKEN     reach web                         .*answers 503: draining -> ../runbooks/EndpointDown.md`,
		`BROKEN     service minitwit_api              .*2/3 running, .*last failure: task: non-zero exit \(1\), since .* \(4 min ago\) -> ../runbooks/ReplicaMissing.md`,
		`BROKEN     rule ClockSkew `,
		`NOT KNOWN  database                          .*connection refused -> ../runbooks/DatabaseDown.md`,
		`TICKET     alert PoolSaturated surface=web `,
		`pending    alert ReplicaMissing service=api `,
		`ok         prometheus http`,
		`ok         service minitwit_web `,
		`ok         nodes `,
		`ok         managers `,
		`ok         last change                       .*minitwit_api was deployed, image f073b3d64c14, .* \(5 min ago\)`,
		`ok         last deploy                       .*v2 by ben@desk failed and was undone: api.1 on n2: unhealthy, .*`,
		`first: read ../runbooks/DatabaseDown.md; it began 5 min after the last change: if users suffer, ./scripts/run.sh rollback PLACE`,
	}
	for i := range max(len(lines), len(want)) {
		if i >= len(want) || i >= len(lines) || !regexp.MustCompile("^"+want[i]).MatchString(lines[i]) {
			t.Fatalf("line %d of\n%s\nis not as the pattern of\n%s", i+1, got.out, strings.Join(want, "\n"))
		}
	}

	got = oncall(t, env, args(prometheus, engine(t, l), web, "--json")...)
	all := got.checks(t)
	last := all[len(all)-1]
	if got.code != exitBroken || len(all) != len(lines)-1 || last.Case != "doctor" || last.OK || last.First == "" || last.State != page {
		t.Errorf("exit %d, %d objects for %d lines, the last is %+v", got.code, len(all), len(lines), last)
	}
	for _, c := range all[:len(all)-1] {
		if ok := c.State == fine || c.State == pending; c.Aim == "" || c.OK != ok {
			t.Errorf("%+v", c)
		}
	}
}

func TestWhatNobodyTellsIsNotFine(t *testing.T) {
	t.Parallel()
	nobody := freeport.For(t)
	// All are away, or hang: that takes one deadline. One after the other they would take two.
	const deadline = 8 * time.Second
	began := time.Now()
	env := []string{"DATABASE_URL=postgres://" + silent(t) + "/x?sslmode=disable", "PROMETHEUS_URL=http://" + silent(t), "DOCKER_HOST=tcp://" + nobody}
	got := oncall(t, env, "doctor", "--timeout", deadline.String())
	if took := time.Since(began); took >= 2*deadline {
		t.Errorf("it took %v", took)
	}
	if got.code != exitUnknown || !strings.HasPrefix(got.out, "NOTHING IS KNOWN") || strings.Count(got.out, "\nNOT KNOWN ") != 3 {
		t.Errorf("nobody answers: %+v", got)
	}
	// One of them answers, and all is well as far as it knows.
	got = oncall(t, []string{"DATABASE_URL=" + dbtest.URL(t), "DOCKER_HOST=tcp://" + nobody}, "doctor",
		"--prometheus", "http://"+nobody, "--timeout", enough.String())
	if got.code != exitBroken || !strings.HasPrefix(got.out, "NOT ALL IS KNOWN: 2 not known ") {
		t.Errorf("one of three answers: %+v", got)
	}
	// Nobody was asked about the rest: a laptop.
	noSwarm := refusing(t, `This node is not a swarm manager. Use "docker swarm init"`)
	got = oncall(t, nil, "doctor", "--docker", noSwarm, "--ask", surface(t, 200), "--timeout", enough.String())
	if got.code != exitFine || !strings.HasPrefix(got.out, "nothing is broken, as far as was asked  ") || strings.Count(got.out, "\nnot asked ") != 3 {
		t.Errorf("a laptop: %+v", got)
	}
	if got = oncall(t, nil, "doctor", "--docker", noSwarm, "--timeout", enough.String()); got.code != exitUnknown {
		t.Errorf("nobody was asked at all: %+v", got)
	}
}

// Alertmanager's inhibitions say what causes what.
func TestCausesAreThoseThatInhibit(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../alertmanager/alertmanager.yml")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Inhibit []struct {
			Source []string `yaml:"source_matchers"`
			Target []string `yaml:"target_matchers"`
		} `yaml:"inhibit_rules"`
	}
	if err := yaml.Unmarshal(content, &config); err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`^alertname=~?"(.+)"$`)
	sources := map[string]bool{}
	for _, rule := range config.Inhibit {
		source := name.FindStringSubmatch(rule.Source[0])[1]
		sources[source] = true
		targets := regexp.MustCompile("^(" + name.FindStringSubmatch(rule.Target[0])[1] + ")$")
		for i, cause := range causes {
			if targets.MatchString(cause) && i < slices.Index(causes, source) {
				t.Errorf("%s inhibits %s, but is looked at after it", source, cause)
			}
		}
	}
	if len(sources) != len(causes) {
		t.Errorf("causes are %v, what inhibits is %v", causes, sources)
	}
	for _, cause := range causes {
		if !sources[cause] {
			t.Errorf("%s inhibits nothing", cause)
		}
	}
}

func TestWhatToDoFirst(t *testing.T) {
	t.Parallel()
	at := func(ago time.Duration) *time.Time {
		when := time.Now().Add(-ago)
		return &when
	}
	change := check{Case: lastChange, State: fine, Since: at(10 * time.Minute), undo: "go back"}
	other := check{Case: lastChange, State: fine, Since: at(10 * time.Minute)}
	slow := check{Case: "alert AnswersSlow", State: page, Runbook: "r/AnswersSlow.md", Since: at(9 * time.Minute)}
	early := check{Case: "alert AnswersSlow", State: page, Runbook: "r/AnswersSlow.md", Since: at(11 * time.Minute)}
	late := check{Case: "alert AnswersSlow", State: page, Runbook: "r/AnswersSlow.md", Since: at(-21 * time.Minute)}
	down := check{Case: "database", State: broken, Runbook: "r/DatabaseDown.md"}
	back := check{Case: "service x", State: broken, Runbook: "r/DeployRolledBack.md", Since: at(10 * time.Minute)}
	half := check{Case: "service x", State: broken, Runbook: "r/UpdateStuck.md", Since: at(10 * time.Minute)}
	soon := check{Case: "alert DatabaseDown", State: pending, Runbook: "r/DatabaseDown.md", Since: at(5 * time.Minute)}
	node := check{Case: "nodes", State: broken, Runbook: "r/NodeDown.md", Since: at(5 * time.Minute)}
	const rollback = " after the last change: if users suffer, go back"
	mute := check{Case: "database", State: notKnown, Runbook: "r/DatabaseDown.md"}
	for _, c := range []struct {
		checks []check
		want   string
	}{
		{[]check{change}, ""},
		{[]check{slow, change}, "read r/AnswersSlow.md; it began 60 s" + rollback},
		{[]check{slow, other}, "read r/AnswersSlow.md; it began 60 s after the last change"},
		{[]check{early, change}, "read r/AnswersSlow.md"},
		{[]check{late, change}, "read r/AnswersSlow.md"},
		{[]check{slow, down, change}, "read r/DatabaseDown.md"},
		{[]check{back, change}, "read r/DeployRolledBack.md"},
		{[]check{slow, soon, change}, "read r/DatabaseDown.md; it began 5 min" + rollback},
		{[]check{half, change}, "read r/UpdateStuck.md"},
		{[]check{soon, change}, ""},
		{[]check{node, change}, "read r/NodeDown.md"},
		{[]check{mute, change}, "database tells nothing: r/DatabaseDown.md"},
		{[]check{mute, slow, change}, "read r/AnswersSlow.md; it began 60 s" + rollback},
		{[]check{{Case: "swarm", State: notKnown}}, "ask swarm from elsewhere: nothing is known of it here"},
		{[]check{{Case: "stack minitwit", State: broken}}, "look at stack minitwit"},
	} {
		settle(c.checks)
		if got := first(c.checks); got != c.want {
			t.Errorf("first(%+v) = %q, want %q", c.checks, got, c.want)
		}
	}
}

func TestTimesAreSaidAsPeopleSayThem(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 90 * time.Second: "90 s", 3 * time.Minute: "3 min", 119 * time.Minute: "119 min",
		5 * time.Hour: "5 h", 72 * time.Hour: "3 days",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
	if got := clock(time.Now().Add(-20 * time.Hour)); !regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d \(20 h ago\)$`).MatchString(got) {
		t.Errorf("yesterday is %q", got)
	}
}

func TestHoweverMuchIsWrongItIsOneScreen(t *testing.T) {
	t.Parallel()
	var all []check
	for i := range 40 {
		all = append(all, check{Case: fmt.Sprint("alert A", i), State: pending})
	}
	all = append(all, check{Case: "alert P", State: page}, check{Case: "nodes", State: fine}, check{Case: "database", State: notAsked})
	settle(all)
	var said strings.Builder
	if err := (screen{&said, false}).write(all, check{First: "x"}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	if len(lines) != height || !strings.HasPrefix(lines[1], "PAGE       alert P") || !strings.Contains(lines[21], "and 21 more") ||
		!strings.HasPrefix(lines[22], "ok  ") {
		t.Errorf("%d lines:\n%s", len(lines), said.String())
	}
}

func TestColoursAreForTerminals(t *testing.T) {
	t.Parallel()
	var plain, painted strings.Builder
	all := []check{{Case: "x", State: broken, Found: "y"}}
	verdict := check{State: broken, Found: "BROKEN", First: "z"}
	if err := (screen{&plain, false}).write(all, verdict); err != nil {
		t.Fatal(err)
	}
	if err := (screen{&painted, true}).write(all, verdict); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(plain.String(), "\x1b") || !strings.Contains(painted.String(), string(bold+red)+"BROKEN\x1b[0m") {
		t.Errorf("plain:\n%q\npainted:\n%q", plain.String(), painted.String())
	}
	if colours(stdio{out: &plain}) {
		t.Error("a buffer is taken for a terminal")
	}
}
