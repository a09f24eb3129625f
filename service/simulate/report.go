package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Aim is what a run must reach to be ok.
const Aim = "0 errors, 0 lost"

// Report is what a run found. Sent and Failed count a step once, however often it was tried.
type Report struct {
	Sent, Failed  int
	Retried       int // further attempts
	Duration      time.Duration
	Latency       Latency
	Rows          []Row
	Errors        map[string]int // failed requests by kind
	Statuses      map[string]int // wrong ones, such as "tweet 500"
	LongestOutage time.Duration  // in which every request failed
	LongestGap    time.Duration  // between two successes
	Suffix        string         // that all names got
	Interrupted   bool
	Verification  Verification
}

// Row is one kind of request.
type Row struct {
	Name    string
	Sent    int
	Retried int
	Kinds   [kinds]int
	Latency Latency
}

// Rate is requests a second.
func (r Report) Rate() float64 {
	return float64(r.Sent) / max(r.Duration.Seconds(), 1e-9)
}

// Err tells in one line all that is not as it should be. NotReadable and TwiceByRetry are not
// in it: neither is the server's fault.
func (r Report) Err() error {
	var wrong []string
	if r.Interrupted {
		wrong = append(wrong, "interrupted")
	}
	if r.Failed > 0 {
		wrong = append(wrong, fmt.Sprintf("%d of %d requests failed (%s)", r.Failed, r.Sent, listCounts(r.Errors)))
	}
	v := r.Verification
	for _, finding := range []struct {
		n    int
		what string
	}{
		{v.Lost.Total(), "acknowledged but lost"},
		{v.Twice, "stored twice"},
		{v.NeverSent, "stored but never sent"},
	} {
		if finding.n > 0 {
			wrong = append(wrong, fmt.Sprintf("%d %s", finding.n, finding.what))
		}
	}
	if v.LatestWrong {
		wrong = append(wrong, fmt.Sprintf("latest is %d, which an answered request came after", v.Latest))
	}
	if v.Problem != "" {
		wrong = append(wrong, "not verified: "+v.Problem)
	}
	if len(wrong) == 0 {
		return nil
	}
	return errors.New("simulate: " + strings.Join(wrong, "; "))
}

// listCounts writes counts in a fixed order: "2 reset, 10 timeout".
func listCounts(counts map[string]int) string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[what], what))
	}
	return strings.Join(parts, ", ")
}

// jsonReport is the object of --json. Its first fields are those of every
// case that is measured.
type jsonReport struct {
	Case          string             `json:"case"`
	OK            bool               `json:"ok"`
	Aim           string             `json:"aim"`
	Sent          int                `json:"sent"`
	Failed        int                `json:"failed"`
	Lost          int                `json:"lost"`
	Twice         int                `json:"twice"`
	TwiceByRetry  int                `json:"twice_by_retry"`
	NeverSent     int                `json:"never_sent"`
	NotReadable   int                `json:"not_readable"`
	LatestOK      bool               `json:"latest_ok"`
	Verified      bool               `json:"verified"`
	Retried       int                `json:"retried"`
	P50           float64            `json:"p50_ms"`
	P95           float64            `json:"p95_ms"`
	P99           float64            `json:"p99_ms"`
	Max           float64            `json:"max_ms"`
	Seconds       float64            `json:"duration_s"`
	Rate          float64            `json:"rate_per_s"`
	OutageSeconds float64            `json:"longest_outage_s"`
	GapSeconds    float64            `json:"longest_gap_s"`
	Errors        map[string]int     `json:"errors"`
	Statuses      map[string]int     `json:"wrong_statuses"`
	LostBy        map[string]int     `json:"lost_by"`
	Actions       map[string]jsonRow `json:"actions"`
	Suffix        string             `json:"suffix,omitempty"`
	Error         string             `json:"error,omitempty"`
}

type jsonRow struct {
	Sent   int            `json:"sent"`
	OK     int            `json:"ok"`
	Errors map[string]int `json:"errors"`
	P50    float64        `json:"p50_ms"`
	P95    float64        `json:"p95_ms"`
	P99    float64        `json:"p99_ms"`
	Max    float64        `json:"max_ms"`
}

// WriteJSON writes the report as one line. The error is what Run returned; a
// run that could not even start is reported too.
func (r Report) WriteJSON(w io.Writer, err error) error {
	v := r.Verification
	out := jsonReport{
		Case: "simulate", OK: err == nil, Aim: Aim, Sent: r.Sent, Failed: r.Failed,
		Lost: v.Lost.Total(), Twice: v.Twice, TwiceByRetry: v.TwiceByRetry, NeverSent: v.NeverSent,
		NotReadable: v.NotReadable, LatestOK: v.Done && !v.LatestWrong, Verified: v.Done, Retried: r.Retried,
		P50: round(r.Latency.P50), P95: round(r.Latency.P95), P99: round(r.Latency.P99), Max: round(r.Latency.Max),
		Seconds: round(r.Duration.Seconds()), Rate: round(r.Rate()),
		OutageSeconds: round(r.LongestOutage.Seconds()), GapSeconds: round(r.LongestGap.Seconds()),
		Errors: orEmpty(r.Errors), Statuses: orEmpty(r.Statuses), Actions: map[string]jsonRow{}, Suffix: r.Suffix,
		LostBy: map[string]int{
			"registrations": v.Lost.Registrations, "messages": v.Lost.Messages,
			"follows": v.Lost.Follows, "unfollows": v.Lost.Unfollows,
		},
	}
	if err != nil {
		out.Error = err.Error()
	}
	for _, row := range r.Rows {
		out.Actions[row.Name] = row.json()
	}
	if err := json.NewEncoder(w).Encode(out); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// json leaves out the kinds of errors that did not happen.
func (r Row) json() jsonRow {
	out := jsonRow{
		Sent: r.Sent, OK: r.Kinds[OK], Errors: map[string]int{},
		P50: round(r.Latency.P50), P95: round(r.Latency.P95), P99: round(r.Latency.P99), Max: round(r.Latency.Max),
	}
	for k := Consequence; k < kinds; k++ {
		if r.Kinds[k] > 0 {
			out.Errors[k.String()] = r.Kinds[k]
		}
	}
	return out
}

// orEmpty writes {} instead of null.
func orEmpty(m map[string]int) map[string]int {
	if m == nil {
		return map[string]int{}
	}
	return m
}

// round keeps a thousandth; more would only pretend.
func round(f float64) float64 { return math.Round(f*1000) / 1000 }
