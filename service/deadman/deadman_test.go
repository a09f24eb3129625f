package deadman

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// receiver is what pages are sent to. It answers each path with a status of its
// own, 200 unless told otherwise; 0 is a broken connection.
type receiver struct {
	mu     sync.Mutex
	status map[string]int
	tried  int
	pages  map[string][]string // the titles that were taken, by path
	bodies []string
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tried++
	status, told := r.status[req.URL.Path]
	if told && status == 0 {
		return nil, errors.New("connection refused")
	}
	body, _ := io.ReadAll(req.Body)
	if !told {
		status = http.StatusOK
		r.bodies = append(r.bodies, string(body))
		var p struct {
			Title   string
			Payload struct{ Summary string }
		}
		_ = json.Unmarshal(body, &p)
		r.pages[req.URL.Path] = append(r.pages[req.URL.Path], p.Title+p.Payload.Summary)
	}
	// Only of a redirect it is asked for; there everything is answered with 200.
	return &http.Response{StatusCode: status, Body: http.NoBody, Header: http.Header{"Location": {"http://pager/sign-in"}}}, nil
}

func (r *receiver) answer(path string, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status[path] = status
}

func (r *receiver) mend(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.status, path)
}

// rig is a running switch whose time is synctest's.
type rig struct {
	*receiver
	t       *testing.T
	handler http.Handler
	stop    func() // ends the switch and waits for it
	log     bytes.Buffer
}

// run runs a test in a bubble, where time passes only when all sleep.
func run(t *testing.T, test func(r *rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, receiver: &receiver{status: map[string]int{}, pages: map[string][]string{}}}
		reg := prometheus.NewRegistry()
		s := New(Options{
			Place: "production", Token: "hunter2", Timeout: time.Minute, Confirm: 30 * time.Second, Settle: 2 * time.Minute,
			Pagers:    []Pager{Webhook("http://pager/hook-s3cret"), PagerDuty("http://pager/duty", "key-s3cret")},
			Transport: r, Registerer: reg, Log: zerolog.New(zerolog.SyncWriter(&r.log)),
		})
		r.handler = s.Handler(reg)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.work(ctx) }()
		r.stop = func() {
			cancel()
			<-done
		}
		test(r)
		r.stop()
		if strings.Contains(r.log.String(), "s3cret") || strings.Contains(r.log.String(), "hunter2") {
			t.Errorf("the log shows a secret:\n%s", r.log.String())
		}
	})
}

func (r *rig) post(path, token, body string) int {
	status, _ := r.answered(path, token, body)
	return status
}

func (r *rig) answered(path, token, body string) (status int, why string) {
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	return w.Code, w.Body.String()
}

func (r *rig) get(path string) string {
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Body.String()
}

// note is Alertmanager's webhook of one alert.
func note(alertname, status, place string) string {
	return fmt.Sprintf(`{"version":"4","groupKey":"{}:{alertname=\"%[1]s\"}","status":"%[2]s","receiver":"page",
		"commonLabels":{"alertname":"%[1]s","place":"%[3]s","severity":"page"},"externalURL":"http://am-1:9093",
		"alerts":[{"status":"%[2]s","labels":{"alertname":"%[1]s"},"annotations":{"summary":"%[1]s is so"},
		"startsAt":"2026-11-23T10:00:00Z","generatorURL":"http://prometheus-1:9090/graph?g0.expr=vector"}]}`, alertname, status, place)
}

func (r *rig) beat() {
	r.t.Helper()
	if got := r.post("/heartbeat", "hunter2", note("Watchdog", "firing", "production")); got != 200 {
		r.t.Fatalf("a heartbeat was answered %d", got)
	}
}

func (r *rig) notify(alertname, status string) {
	r.t.Helper()
	if got := r.post("/notify", "hunter2", note(alertname, status, "production")); got != 200 {
		r.t.Fatalf("%s %s was answered %d", alertname, status, got)
	}
}

// beatFor beats every ten seconds, at once for the first time.
func (r *rig) beatFor(d time.Duration) {
	r.t.Helper()
	for ; d > 0; d -= 10 * time.Second {
		r.beat()
		time.Sleep(10 * time.Second)
	}
}

// told fails unless exactly these titles were taken since it was last asked, by
// both pagers.
func (r *rig) told(want ...string) {
	r.t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, path := range []string{"/hook-s3cret", "/duty"} {
		if got := r.pages[path]; strings.Join(got, "\n") != strings.Join(want, "\n") {
			r.t.Errorf("%s was told %q, want %q", path, got, want)
		}
	}
	clear(r.pages)
}

const (
	fires   = "[PAGE 1] production: Down is so"
	cleared = "[RESOLVED] production: Down is so"
	denied  = "[NOT an all-clear: monitoring is dead] " + cleared
)

func TestSilencePagesAndItsEndIsToldOnce(t *testing.T) {
	run(t, func(r *rig) {
		r.beatFor(5 * time.Minute)
		time.Sleep(49 * time.Second) // the last was 10 s before
		r.told()
		time.Sleep(2 * time.Second)
		r.told("[PAGE] production: monitoring is dead, no heartbeat for 1m0s")
		time.Sleep(repeat - time.Minute)
		r.told()
		time.Sleep(2 * time.Minute)
		r.told("[PAGE] production: monitoring is dead, no heartbeat for 1h1m0s")
		r.beatFor(5 * time.Minute)
		r.told("[RESOLVED] production: monitoring is back after 1h2m1s")
	})
}

func TestAfterItsStartTheHeartbeatHasOneTimeout(t *testing.T) {
	run(t, func(r *rig) {
		time.Sleep(59 * time.Second)
		r.told()
		time.Sleep(2 * time.Second)
		r.told("[PAGE] production: monitoring is dead, no heartbeat for 1m0s")
	})
}

func TestAnAllClearIsToldWhenTheHeartbeatOutlivesIt(t *testing.T) {
	run(t, func(r *rig) {
		r.beatFor(time.Minute)
		r.notify("Down", "firing")
		r.told(fires)
		r.notify("Down", "resolved")
		r.beatFor(30 * time.Second)
		r.told()
		r.beatFor(10 * time.Minute)
		r.told(cleared)
	})
}

// When Prometheus dies, its alerts and its heartbeat end in any order, within 20 s.
func TestAFalseAllClearIsNeverTold(t *testing.T) {
	for after := -20; after <= 20; after += 5 {
		t.Run(fmt.Sprintf("%d s after the last heartbeat", after), func(t *testing.T) {
			run(t, func(r *rig) {
				r.notify("Down", "firing")
				r.beatFor(time.Minute)
				r.told(fires)
				if after < 0 {
					r.notify("Down", "resolved")
					time.Sleep(time.Duration(-after) * time.Second)
					r.beat()
				} else {
					r.beat()
					time.Sleep(time.Duration(after) * time.Second)
					r.notify("Down", "resolved")
				}
				r.told()
				time.Sleep(2 * time.Minute)
				r.told("[PAGE] production: monitoring is dead, no heartbeat for 1m0s", denied)
			})
		})
	}
}

// Prometheus is back before the timeout, and its alert fires again only after a while.
func TestAFalseAllClearOfAPauseIsNeverTold(t *testing.T) {
	for pause := 20; pause < 60; pause += 5 {
		for after := -5; after <= pause+10; after += 5 {
			t.Run(fmt.Sprintf("%d s after the last heartbeat of a pause of %d s", after, pause), func(t *testing.T) {
				run(t, func(r *rig) {
					r.notify("Down", "firing")
					r.told(fires)
					for at := -60; at < pause+120; at += 5 { // 0 is the last heartbeat
						if at <= 0 && at%10 == 0 || at >= pause && (at-pause)%10 == 0 {
							r.beat()
						}
						if at == after {
							r.notify("Down", "resolved")
						}
						time.Sleep(5 * time.Second)
					}
					r.told()
					r.notify("Down", "firing")
					r.beatFor(10 * time.Minute)
					r.told(fires)
				})
			})
		}
	}
}

func TestATrueAllClearIsToldWhenAPauseHasSettled(t *testing.T) {
	run(t, func(r *rig) {
		r.beat()
		r.notify("Down", "resolved")
		time.Sleep(20 * time.Second)
		r.beatFor(2 * time.Minute)
		r.told()
		r.beat()
		r.told(cleared)
	})
}

func TestAnAllClearOfTheSilenceIsHeldUntilMonitoringHasSettled(t *testing.T) {
	run(t, func(r *rig) {
		time.Sleep(61 * time.Second)
		r.told("[PAGE] production: monitoring is dead, no heartbeat for 1m0s")
		r.notify("Down", "resolved")
		r.told(denied)
		time.Sleep(time.Hour)
		r.told("[PAGE] production: monitoring is dead, no heartbeat for 1h1m0s")
		r.beatFor(2 * time.Minute)
		r.told("[RESOLVED] production: monitoring is back after 1h1m1s")
		r.beat()
		r.told(cleared)
	})
}

func TestAnAlertThatFiresAgainTakesTheHeldAllClearBack(t *testing.T) {
	run(t, func(r *rig) {
		r.notify("Down", "resolved")
		time.Sleep(61 * time.Second)
		r.told("[PAGE] production: monitoring is dead, no heartbeat for 1m0s", denied)
		r.beatFor(time.Minute)
		r.notify("Down", "firing")
		r.beatFor(time.Hour)
		r.told("[RESOLVED] production: monitoring is back after 1m1s", fires)
	})
}

func TestAPageOutlivesAnOutageOfItsReceiver(t *testing.T) {
	for _, status := range []int{0, 500, 503, 429, 401, 404} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			run(t, func(r *rig) {
				r.answer("/duty", status)
				r.notify("Down", "firing")
				r.notify("Up", "firing")
				r.beatFor(maxFailing)
				synctest.Wait()
				if got := r.pages["/hook-s3cret"]; len(got) != 2 {
					t.Errorf("one pager is away; the other was told %q", got)
				}
				if r.tried > 20 {
					t.Errorf("tried %d times in five minutes", r.tried)
				}
				r.mend("/duty")
				time.Sleep(maxBackoff)
				r.told(fires, "[PAGE 1] production: Up is so")
			})
		})
	}
}

// Nobody else would notice before he needs it. Alertmanager calls such a heartbeat failed.
func TestAPagerThatFailsIsToldToWhoeverBeats(t *testing.T) {
	for _, status := range []int{0, 503, 401, 400, 302} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			run(t, func(r *rig) {
				began := time.Now().UTC().Format(timeFormat)
				r.answer("/duty", status)
				r.notify("Down", "firing")
				r.beatFor(maxFailing)
				time.Sleep(5 * time.Second)
				for range 20 {
					got, why := r.answered("/heartbeat", "hunter2", note("Watchdog", "firing", "production"))
					if got != http.StatusServiceUnavailable || why != "pagerduty has taken no page since "+began+"\n" {
						t.Fatalf("while a pager fails a heartbeat is answered %d %s", got, why)
					}
					time.Sleep(10 * time.Second)
				}
				r.holds("/metrics", "minitwit_deadman_alive 1") // each of them counts
				r.mend("/duty")
				r.notify("Up", "firing")
				time.Sleep(maxBackoff)
				r.beat()
			})
		})
	}
}

func TestWhatWaitsIsTriedOnceMoreAtTheEnd(t *testing.T) {
	run(t, func(r *rig) {
		r.notify("Down", "firing")
		r.notify("Up", "firing")
		r.stop()
		r.told(fires, "[PAGE 1] production: Up is so")
	})
}

func TestAnEndDoesNotWaitForAReceiverThatIsAway(t *testing.T) {
	run(t, func(r *rig) {
		r.answer("/duty", 0)
		r.answer("/hook-s3cret", 0)
		for range 3 {
			r.notify("Down", "firing")
		}
		begin := time.Now()
		r.stop()
		if took := time.Since(begin); took > time.Second || !strings.Contains(r.log.String(), "stopped before it was delivered") {
			t.Errorf("stopped after %v and says\n%s", took, r.log.String())
		}
	})
}

func TestAPageThatIsRefusedDoesNotHoldUpTheNext(t *testing.T) {
	run(t, func(r *rig) {
		r.answer("/duty", http.StatusBadRequest)
		r.answer("/hook-s3cret", http.StatusBadRequest)
		r.notify("Down", "firing")
		r.told()
		r.mend("/duty")
		r.mend("/hook-s3cret")
		r.notify("Up", "firing")
		r.told("[PAGE 1] production: Up is so")
		if m := r.get("/metrics"); !strings.Contains(m, `minitwit_deadman_pages_total{result="refused"} 2`) {
			t.Errorf("metrics do not count what was refused:\n%s", m)
		}
	})
}

// Alertmanager tries again what is answered 503, so nothing is lost.
func TestAFullQueueIsSaid(t *testing.T) {
	run(t, func(r *rig) {
		r.answer("/duty", 0)
		r.answer("/hook-s3cret", 0)
		r.notify("Down", "firing")
		synctest.Wait() // each queue has one in work
		for range maxPages {
			r.notify("Down", "firing")
		}
		if got := r.post("/notify", "hunter2", note("Down", "firing", "production")); got != http.StatusServiceUnavailable {
			t.Errorf("with full queues a page was answered %d, want 503", got)
		}
	})
}

func TestHeldAllClearsAreBounded(t *testing.T) {
	run(t, func(r *rig) {
		for i := range maxHeld {
			r.notify(fmt.Sprint("Down", i), "resolved")
		}
		if got := r.post("/notify", "hunter2", note("More", "resolved", "production")); got != http.StatusServiceUnavailable {
			t.Errorf("one more all-clear than there is room for was answered %d, want 503", got)
		}
	})
}

func TestOnlyMessagesOfAlertmanagerAreTaken(t *testing.T) {
	run(t, func(r *rig) {
		good := note("Watchdog", "firing", "production")
		for _, c := range []struct {
			what, path, token, body string
			want                    int
		}{
			{"another token", "/heartbeat", "hunter", good, 401},
			{"no token", "/notify", "", good, 401},
			{"another place", "/heartbeat", "hunter2", note("Watchdog", "firing", "lab"), 403},
			{"another place", "/notify", "hunter2", note("Down", "firing", "lab"), 403},
			{"not JSON", "/heartbeat", "hunter2", "<html>", 400},
			{"cut off", "/notify", "hunter2", good[:100], 400},
			{"nothing", "/notify", "hunter2", "{}", 400},
			{"another version", "/heartbeat", "hunter2", strings.Replace(good, `"4"`, `"5"`, 1), 400},
			{"no alerts", "/notify", "hunter2", `{"version":"4","groupKey":"x","alerts":[]}`, 400},
			{"a Watchdog that ended", "/heartbeat", "hunter2", note("Watchdog", "resolved", "production"), 400},
			{"no Watchdog", "/heartbeat", "hunter2", note("Down", "firing", "production"), 400},
			{"too much", "/heartbeat", "hunter2", `{"x":"` + strings.Repeat("x", maxBody) + `"}`, 413},
			{"another path", "/", "hunter2", good, 404},
			{"another method", "/status", "hunter2", good, 405},
		} {
			if got := r.post(c.path, c.token, c.body); got != c.want {
				t.Errorf("%s to %s was answered %d, want %d", c.what, c.path, got, c.want)
			}
		}
		time.Sleep(61 * time.Second)
		r.told("[PAGE] production: monitoring is dead, no heartbeat for 1m0s")
	})
}

func TestStatusAndMetricsSayWhatIsKnown(t *testing.T) {
	run(t, func(r *rig) {
		r.holds("/metrics", "minitwit_deadman_last_heartbeat_timestamp_seconds 0", "minitwit_deadman_alive 1",
			`minitwit_deadman_pages_total{result="delivered"} 0`)
		r.holds("/status", `"place":"production"`, `"alive":true`, `"heartbeats":[]`, `"held":[]`)
		r.beat()
		beaten := time.Now()
		r.notify("Down", "resolved")
		r.holds("/metrics", fmt.Sprintf("minitwit_deadman_last_heartbeat_timestamp_seconds %.6e", float64(beaten.Unix()))[:50])
		r.holds("/status", `{"alertmanager":"http://am-1:9093","prometheus":"http://prometheus-1:9090","last":"`+beaten.Format(time.RFC3339)+`"}`,
			`"title":"`+cleared+`"`)
		time.Sleep(62 * time.Second)
		r.holds("/metrics", "minitwit_deadman_alive 0", `minitwit_deadman_pages_total{result="delivered"} 4`)
		r.holds("/status", `"alive":false`)
		if w := r.get("/livez"); w != "" {
			t.Errorf("/livez says %q", w)
		}
	})
}

// For those who test whether a page gets through.
func TestStatusTellsWhatBecameOfThePages(t *testing.T) {
	run(t, func(r *rig) {
		r.holds("/status", `"pages":[]`)
		r.answer("/duty", http.StatusServiceUnavailable)
		r.notify("Down", "firing")
		r.holds("/status", `"title":"`+fires+`"`, `"pagers":{"pagerduty":"failed: Service Unavailable","webhook":"delivered"}`)
		r.answer("/duty", 0)
		r.beatFor(maxBackoff)
		r.holds("/status", `"pagers":{"pagerduty":"failed: connection refused","webhook":"delivered"}`)
		r.mend("/duty")
		r.beatFor(maxBackoff)
		r.holds("/status", `"pagers":{"pagerduty":"delivered","webhook":"delivered"}`)
		for i := range 2 * maxJournal {
			r.notify(fmt.Sprint("Down", i), "firing")
		}
		synctest.Wait()
		status := r.get("/status")
		if n := strings.Count(status, `"pagers"`); n != maxJournal || !strings.Contains(status, fmt.Sprintf("Down%d is so", 2*maxJournal-1)) {
			t.Errorf("of %d pages %d are remembered, want the last %d:\n%s", 2*maxJournal+1, n, maxJournal, status)
		}
		if strings.Contains(status, "s3cret") {
			t.Errorf("the status shows a secret:\n%s", status)
		}
	})
}

// holds waits for what is under way, then looks for texts.
func (r *rig) holds(path string, want ...string) {
	r.t.Helper()
	synctest.Wait()
	got := r.get(path)
	for _, w := range want {
		if !strings.Contains(got, w) {
			r.t.Errorf("%s does not hold %s:\n%s", path, w, got)
		}
	}
}

func TestPagerDutyIsSpokenTo(t *testing.T) {
	run(t, func(r *rig) {
		r.notify("Down", "firing")
		synctest.Wait()
		for _, want := range []string{`"routing_key":"key-s3cret"`, `"event_action":"trigger"`, `"severity":"critical"`, `"source":"production"`} {
			if got := strings.Join(r.bodies, "\n"); !strings.Contains(got, want) {
				t.Errorf("PagerDuty is sent nothing with %s:\n%s", want, got)
			}
		}
	})
}

func TestATitleIsCutForThePhone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ title, want string }{
		{strings.Repeat("ä", 80), strings.Repeat("ä", 80)},
		{strings.Repeat("ä", 81), strings.Repeat("ä", 79) + "…"},
	} {
		if got := cut(c.title); got != c.want {
			t.Errorf("cut(%q) = %q", c.title, got)
		}
	}
}
