//go:build logs

package main

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"minitwit/service/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// The aims.
const (
	foundWithin  = 10 * time.Second // from a request to its lines in the store, of all replicas
	caughtUpIn   = 2 * time.Minute  // once all is there again
	linesASecond = 50
)

// down is how long the store is away.
func down(t *testing.T) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(cmp.Or(os.Getenv("LOGS_DOWN"), "60s"))
	must(t, err)
	return d
}

// table is what is printed at the end, whatever was seen.
type table [][3]string

func (tb *table) add(what, aim, seen string) { *tb = append(*tb, [3]string{what, aim, seen}) }

func (tb *table) print() {
	fmt.Printf("\n%-62s | %-16s | %s\n%s-|-%s-|-%s\n", "what", "aim", "seen", strings.Repeat("-", 62), strings.Repeat("-", 16), strings.Repeat("-", 40))
	for _, row := range *tb {
		fmt.Printf("%-62s | %-16s | %s\n", row[0], row[1], row[2])
	}
}

// Two replicas write fifty lines a second, into files as Docker writes them; a real
// agent reads them for a real Loki. Then everything dies that can.
func TestNoLineIsLostOnItsWay(t *testing.T) {
	w := newWorld(t)
	var seen table
	defer seen.print()
	w.startLoki()
	w.agent.start()
	database := dbtest.URL(t)
	w.startReplica(database, "1")
	w.startReplica(database, "2")
	w.load(linesASecond)

	w.isConfined()
	w.requestsAreFound(&seen)
	w.survives(&seen, "nothing happens", func() {})
	w.survives(&seen, fmt.Sprintf("Loki killed, %v away, a file rotated meanwhile", down(t)), func() {
		w.loki.kill()
		w.pass(down(t) / 2)
		must(t, w.replicas[0].rotate())
		w.isToldOf("unreachable", `syslogng_output_unreachable\{.*\} 1\n`)
		w.pass(down(t) / 2)
		w.startLoki()
	})
	w.survives(&seen, "the agent killed, 10 s away, a file rotated meanwhile", func() {
		w.agent.kill()
		w.pass(5 * time.Second)
		must(t, w.replicas[0].rotate())
		w.pass(5 * time.Second)
		w.agent.start()
	})
	w.survives(&seen, fmt.Sprintf("Loki %v away; in it the agent killed, both files rotated", down(t)), func() {
		w.loki.kill()
		w.pass(down(t) / 3)
		w.agent.kill()
		for _, r := range w.replicas {
			must(t, r.rotate())
		}
		w.pass(down(t) / 3)
		w.agent.start()
		w.pass(down(t) / 3)
		w.startLoki()
	})
	w.survives(&seen, "lines of any form, of a program that is not ours", w.oddLines)
	w.crashIsFound(&seen)
	w.lateIsTaken(&seen)
	w.dropIsTold(&seen)
	w.figuresOfTheRules(&seen)
	seen.add("memory of the agent, of Loki", "", fmt.Sprintf("%d MB, %d MB", w.agent.memory(), w.loki.memory()))
	seen.add("disk of Loki, of the agent's buffer", "", fmt.Sprintf("%.1f MB, %.1f MB", megabytes(t, w.dir+"/loki"), megabytes(t, w.dir+"/state")))
}

// requestsAreFound asks both replicas under one id and looks for it as an operator does.
func (w *world) requestsAreFound(seen *table) {
	w.t.Helper()
	var took []time.Duration
	for n := range 8 {
		id := fmt.Sprintf("probe-%d", n)
		for _, r := range w.replicas {
			must(w.t, r.ask(id))
		}
		took = append(took, w.eventually(2*foundWithin, "the lines of "+id, func() error {
			var out strings.Builder
			err := run(w.t.Context(), []string{"-request", id}, w.env, &out)
			for _, want := range []string{"minitwit_api.1 ", "minitwit_api.2 "} {
				if err == nil && (!strings.Contains(out.String(), want) || strings.Count(out.String(), "request_id="+id) != len(w.replicas)) {
					err = fmt.Errorf("found\n%s", out.String())
				}
			}
			return err
		}))
	}
	slices.Sort(took)
	seen.add("a request id is found, of 2 replicas; least, middle, most of 8", "<= "+foundWithin.String(),
		fmt.Sprintf("%.1f s, %.1f s, %.1f s", took[0].Seconds(), took[4].Seconds(), took[7].Seconds()))
	if took[7] > foundWithin {
		w.t.Errorf("a request id was found after %v", took[7])
	}
}

func (w *world) env(name string) string { return map[string]string{"LOKI_URL": w.lokiURL}[name] }

// survives does something and then demands every line that was written until its end.
func (w *world) survives(seen *table, what string, event func()) {
	w.t.Helper()
	event()
	until := time.Now()
	var written, listed int
	took := w.eventually(caughtUpIn, "the lines after: "+what, func() error {
		lost, all, found, err := w.account(until)
		if written, listed = all, found; err == nil && len(lost) > 0 {
			err = fmt.Errorf("%d of %d lines are missing, the first: %+v", len(lost), all, lost[0])
		}
		return err
	})
	seen.add(what, "0 lost", fmt.Sprintf("0 lost of %d, %d listed; all there %.0f s later", written, listed, took.Seconds()))
}

// pass lets time pass: it is what is measured.
func (w *world) pass(d time.Duration) { <-time.After(d) }

// isToldOf demands that the agent's figures match.
func (w *world) isToldOf(what, pattern string) {
	w.t.Helper()
	w.eventually(30*time.Second, "the figures to tell: "+what, func() error {
		metrics, err := w.figures()
		if err == nil && !regexp.MustCompile(pattern).MatchString(metrics) {
			err = fmt.Errorf("no %s in\n%s", pattern, metrics)
		}
		return err
	})
}

// oddLines are what other people's programs write. A value that is no string, in a
// field that we take for metadata, would cost the whole batch.
func (w *world) oddLines() {
	other := w.newContainer("db_postgres", "zhvkx1yrt9ofrw8gvtrsd0b8u") // global: its slot is a node's id
	for _, text := range []string{
		"plain", "", "  indented", "\ttabbed \"quoted\" \\ <&> é \u001b[31m", "{not JSON", "null", "17", `"text"`, `[1,2]`, `{}`,
		`{"level":30,"request_id":12345,"msg":"numbers"}`, `{"level":null,"request_id":null}`, `{"level":"SEVERE"}`,
		`{"level":{"a":1},"request_id":[1,2],"service":"not so"}`, `{"level":"info","request_id":true}`, `{"request_id":"a\"b\\c\n"}`,
	} {
		must(w.t, other.write(text))
	}
	// Docker cuts lines at 16 KiB; the pieces but for the last have no newline.
	must(w.t, other.writeAt(time.Now(), `{"message":"`+strings.Repeat("x", 16<<10-12)))
	must(w.t, other.writeAt(time.Now(), strings.Repeat("y", 100)+`"}`+"\n"))
}

// crashIsFound: the last words of a process are among the errors, and are counted.
func (w *world) crashIsFound(seen *table) {
	w.t.Helper()
	r := w.replicas[1]
	for _, text := range []string{"panic: boom", "", "goroutine 1 [running]:", "main.main()", "\t/src/main.go:3 +0x1d"} {
		must(w.t, r.write(text))
	}
	took := w.eventually(2*foundWithin, "the crash among the errors", func() error {
		var out strings.Builder
		err := run(w.t.Context(), []string{"-errors", "api"}, w.env, &out)
		if err == nil && !regexp.MustCompile(`minitwit_api\.2 +fatal +panic: boom\n`).MatchString(out.String()) {
			err = fmt.Errorf("found\n%s", out.String())
		}
		return err
	})
	w.isToldOf("a crash", `syslogng_filtered_events_total\{id="f_crash",result="matched"\} [1-9]`)
	seen.add("a crash is found by --errors, and counted for CrashLogged", "<= "+foundWithin.String(), fmt.Sprintf("%.1f s", took.Seconds()))
}

// lateIsTaken: an agent that was long away, or reads a rotated file again, brings lines that
// are days behind the newest of their stream.
func (w *world) lateIsTaken(seen *table) {
	w.t.Helper()
	other := w.newContainer("db_late", "1")
	must(w.t, other.write("the newest"))
	w.isFound("late", "the newest")
	ages := []int{2, 5, 30, 160}
	var late []string
	for _, hours := range ages {
		late = append(late, fmt.Sprintf("%d hours late", hours))
		must(w.t, other.writeAt(time.Now().Add(-time.Duration(hours)*time.Hour), late[len(late)-1]+"\n"))
	}
	took := w.isFound("late", late...)
	seen.add(fmt.Sprintf("lines %v hours behind the newest of their stream", ages), "0 lost", fmt.Sprintf("0 lost of %d; all there %.0f s later", len(late), took.Seconds()))
}

// isFound waits until an operator finds all of these lines of a service.
func (w *world) isFound(service string, lines ...string) time.Duration {
	w.t.Helper()
	return w.eventually(2*foundWithin, fmt.Sprintf("the lines %q", lines), func() error {
		var out strings.Builder
		err := run(w.t.Context(), []string{"-since", "168h", service}, w.env, &out)
		for _, want := range lines {
			if err == nil && !strings.Contains(out.String(), want+"\n") {
				err = fmt.Errorf("no %q among\n%s", want, out.String())
			}
		}
		return err
	})
}

// dropIsTold: what Loki refuses for good is counted, and costs nothing else.
func (w *world) dropIsTold(seen *table) {
	w.t.Helper()
	w.isToldOf("nothing dropped yet", `syslogng_output_events_total\{.*result="dropped".*\} 0\n`)
	other := w.newContainer("db_postgres", "1")
	must(w.t, other.writeAt(time.Now().Add(-200*time.Hour), "too old\n"))
	must(w.t, other.write("new"))
	w.isToldOf("dropped lines", `syslogng_output_events_total\{.*result="dropped".*\} [1-9]`)
	w.survives(seen, "a line that Loki refuses, and its neighbours", func() {})
}

// figuresOfTheRules: an alert on a metric that nobody has would be silent for ever.
func (w *world) figuresOfTheRules(seen *table) {
	w.t.Helper()
	rules, err := os.ReadFile("../prometheus/rules/logs.yml")
	must(w.t, err)
	metrics, err := w.figures()
	must(w.t, err)
	names := regexp.MustCompile(`\b(syslogng|node_textfile)_\w+(\{file=[^}]*\})?`).FindAllString(string(rules), -1)
	if len(names) < 5 {
		w.t.Errorf("the rules name only %v", names)
	}
	for _, name := range names {
		name, _, _ = strings.Cut(name, "{")
		if !strings.Contains(metrics, "\n"+name+"{") {
			w.t.Errorf("no figure is called %s\n%s", name, metrics)
		}
	}
	if file := `node_textfile_mtime_seconds{file="` + w.dir + `/figures/syslog-ng.prom"}`; !strings.Contains(metrics, file) {
		w.t.Errorf("no figure %s\n%s", file, metrics)
	}
	// Of several that have the name: the one by which LogLinesDropped knows what is not Docker's.
	if !regexp.MustCompile(`\nsyslogng_parsed_events_total\{[^}]*id="p_docker"[^}]*result="discarded"`).MatchString(metrics) {
		w.t.Errorf("no figure of lines that are not Docker's\n%s", metrics)
	}
	w.containersAreKnown(string(rules), metrics)
	seen.add("metrics that the alerts name, as a node exporter gives them", "all", fmt.Sprint(len(names), " uses"))
}

// containersAreKnown: the rule finds each container's id in the agent's figures.
func (w *world) containersAreKnown(rules, metrics string) {
	w.t.Helper()
	pattern := regexp.MustCompile(`"filename", "([^"]+)"`).FindStringSubmatch(rules)
	if pattern == nil {
		w.t.Fatal("no rule reads the name of a file")
	}
	found := map[string]bool{}
	for _, name := range regexp.MustCompile(`syslogng_input_events_total\{.*filename="([^"]+)"`).FindAllStringSubmatch(metrics, -1) {
		if id := regexp.MustCompile("^(?:" + pattern[1] + ")$").FindStringSubmatch(name[1]); id != nil {
			found[id[1]] = true
		}
	}
	for _, c := range w.containers {
		if !found[c.id[:12]] {
			w.t.Errorf("no figure is of the container %s: %v", c.id[:12], found)
		}
	}
}

func megabytes(t *testing.T, folder string) float64 {
	t.Helper()
	var sum int64
	must(t, filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return nil
	}))
	return float64(sum) / (1 << 20)
}
