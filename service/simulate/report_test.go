package simulate

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestPercentilesAreExact(t *testing.T) {
	t.Parallel()
	var hundred []float32
	for i := 100; i > 0; i-- {
		hundred = append(hundred, float32(i))
	}
	for _, tc := range []struct {
		in   []float32
		want Latency
	}{
		{nil, Latency{}},
		{[]float32{7}, Latency{7, 7, 7, 7}},
		{[]float32{2, 1}, Latency{1, 2, 2, 2}},
		{hundred, Latency{50, 95, 99, 100}},
	} {
		if got := latencyOf(tc.in); got != tc.want {
			t.Errorf("latencyOf(%v) = %v, want %v", tc.in, got, tc.want)
		}
	}
}

// TestStretchesOfFailure gives requests as start and end in milliseconds.
func TestStretchesOfFailure(t *testing.T) {
	t.Parallel()
	type request struct {
		began, ended int
		kind         Kind
	}
	for _, tc := range []struct {
		what        string
		requests    []request
		took        int
		outage, gap int
	}{
		{"nothing failed", []request{{0, 10, OK}, {10, 30, OK}}, 30, 0, 20},
		{"one failed", []request{{0, 10, OK}, {10, 310, Timeout}, {310, 320, OK}}, 320, 300, 310},
		{"two failed together", []request{{0, 10, OK}, {20, 50, Reset}, {15, 60, Reset}, {60, 70, OK}}, 70, 45, 60},
		{"a success between", []request{{0, 10, Reset}, {10, 20, OK}, {20, 30, Reset}}, 30, 10, 20},
		{"all failed", []request{{0, 10, Refused}, {10, 90, Refused}}, 90, 90, 90},
	} {
		c := newCollector()
		ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
		for _, r := range tc.requests {
			c.add(result{kind: r.kind, began: ms(r.began), ended: ms(r.ended)})
		}
		got := c.report(ms(tc.took))
		if got.LongestOutage != ms(tc.outage) || got.LongestGap != ms(tc.gap) {
			t.Errorf("%s: outage %v, gap %v, want %d ms, %d ms", tc.what, got.LongestOutage, got.LongestGap, tc.outage, tc.gap)
		}
	}
}

// TestOpenLoopCountsLateness: a request that had to wait for a worker was slow
// for whoever sent it.
func TestOpenLoopCountsLateness(t *testing.T) {
	t.Parallel()
	for open, want := range map[bool]float64{true: 500, false: 100} {
		c := newCollector()
		c.add(result{due: time.Second, began: 1400 * time.Millisecond, ended: 1500 * time.Millisecond, openLoop: open})
		if got := c.report(2 * time.Second).Latency.Max; got != want {
			t.Errorf("open loop %v: latency %v ms, want %v ms", open, got, want)
		}
	}
}

func TestPlanKeepsItsPace(t *testing.T) {
	t.Parallel()
	actions := []Action{{ID: 0, DelayMillis: 500}, {ID: 1, DelayMillis: 1000}, {ID: 2, DelayMillis: 2000}}
	for _, tc := range []struct {
		opts Options
		want []time.Duration
	}{
		{Options{}, []time.Duration{0, 0, 0}},
		{Options{Speed: 10}, []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond}},
		{Options{Rate: 4}, []time.Duration{0, 250 * time.Millisecond, 500 * time.Millisecond}},
		{Options{Rate: 2, MixReads: 0.5}, []time.Duration{
			0, 500 * time.Millisecond, time.Second, 1500 * time.Millisecond, 2 * time.Second, 2500 * time.Millisecond,
		}},
	} {
		tc.opts.Actions = actions
		var got []time.Duration
		for _, s := range plan(tc.opts, "") {
			got = append(got, s.due)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("plan(speed %v, rate %v) is due (-want +got):\n%s", tc.opts.Speed, tc.opts.Rate, diff)
		}
	}
}

// sample is a report with something in every place.
func sample() Report {
	c := newCollector()
	for o := range ops {
		for k := range kinds {
			for range 12345 {
				c.add(result{op: o, kind: k, status: 500, ended: 12345 * time.Millisecond})
			}
		}
	}
	r := c.report(time.Hour)
	r.Verification = Verification{
		Done: true, Users: 200, Messages: 11300, Follows: 9750, Lost: Lost{1, 2, 3, 4}, Twice: 5, TwiceByRetry: 6,
		NeverSent: 7, NotReadable: 8, Latest: 25999, LatestWrong: true,
	}
	return r
}

func TestTableFitsAndIsColouredOnlyOnDemand(t *testing.T) {
	t.Parallel()
	for _, colours := range []bool{false, true} {
		var b bytes.Buffer
		if err := sample().WriteTable(&b, colours, errors.New("not well")); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(b.String(), "\x1b["); got != colours {
			t.Errorf("WriteTable(colours %v) writes colours: %v", colours, got)
		}
		for line := range strings.Lines(b.String()) {
			width := utf8.RuneCountInString(strings.TrimRight(line, "\n"))
			if !colours && width > 100 && !strings.HasPrefix(line, "status") {
				t.Errorf("line of %d columns: %q", width, line)
			}
		}
		for _, want := range []string{"register", "read latest", "never sent", "tweet 500", "older than", "wrong"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("table without %q:\n%s", want, b.String())
			}
		}
	}
}

func TestJSONIsOneObjectOnOneLine(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		report Report
		err    error
		want   map[string]any
	}{
		{Report{}, errors.New("no server"), map[string]any{"ok": false, "error": "no server", "sent": 0.0, "lost": 0.0}},
		{Report{Sent: 3, Verification: Verification{Done: true}}, nil, map[string]any{"ok": true, "sent": 3.0, "latest_ok": true}},
		{sample(), errors.New("bad"), map[string]any{
			"ok": false, "sent": 691320.0, "lost": 10.0, "twice": 5.0, "never_sent": 7.0, "p99_ms": 12345.0, "latest_ok": false,
		}},
	} {
		var b bytes.Buffer
		if err := tc.report.WriteJSON(&b, tc.err); err != nil {
			t.Fatal(err)
		}
		if strings.Count(b.String(), "\n") != 1 {
			t.Errorf("WriteJSON writes several lines: %q", b.String())
		}
		var got map[string]any
		if err := json.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatalf("WriteJSON writes %q: %v", b.String(), err)
		}
		tc.want["case"], tc.want["aim"] = "simulate", "0 errors, 0 lost"
		for key, want := range tc.want {
			if got[key] != want {
				t.Errorf("JSON %q = %v, want %v", key, got[key], want)
			}
		}
	}
}

func TestErrTellsAllInOneLine(t *testing.T) {
	t.Parallel()
	if err := (Report{Sent: 5, Verification: Verification{Done: true, TwiceByRetry: 1}}).Err(); err != nil {
		t.Errorf("Err of a clean report = %v", err)
	}
	got := Report{
		Sent: 9, Failed: 3, Errors: map[string]int{"timeout": 2, "reset": 1}, Interrupted: true,
		Verification: Verification{Lost: Lost{Messages: 2}, Twice: 1, NeverSent: 4, Problem: "GET /latest: EOF", LatestWrong: true, Latest: 5},
	}.Err().Error()
	want := "simulate: interrupted; 3 of 9 requests failed (1 reset, 2 timeout); 2 acknowledged but lost; 1 stored twice; " +
		"4 stored but never sent; latest is 5, which an answered request came after; not verified: GET /latest: EOF"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Err (-want +got):\n%s", diff)
	}
}

// TestProgressIsALineOrABar runs for 25 seconds on a made-up clock.
func TestProgressIsALineOrABar(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		live        bool
		lines, bars int
	}{{false, 3, 0}, {true, 1, 125}} {
		synctest.Test(t, func(t *testing.T) {
			var out lockedBuffer
			stop := startProgress(Options{Progress: &out, Live: tc.live}, 100, func() (int, int) { return 50, 1 })
			<-time.After(24_950 * time.Millisecond)
			stop()
			got := out.String()
			if lines, bars := strings.Count(got, "\n"), strings.Count(got, "█░"); lines != tc.lines || bars != tc.bars {
				t.Errorf("live %v: %d lines, %d bars, want %d, %d: %q", tc.live, lines, bars, tc.lines, tc.bars, got)
			}
			if !strings.Contains(got, "50 of 100 sent, 1 failed, 2/s") {
				t.Errorf("progress without its figures: %q", got)
			}
		})
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}
