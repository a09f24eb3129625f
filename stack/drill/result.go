package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// result is one drill: a line of the history, and of --json. What is embedded stands in the
// same object: its names have to differ from those here.
type result struct {
	Case string `json:"case"`
	OK   bool   `json:"ok"`
	Aim  string `json:"aim"`
	figures
	heard
	deployed
	What     string   `json:"what,omitempty"`
	Detect   *seconds `json:"detect_s"`        // from the fault until the Swarm acts on it; null where it has nothing to do
	Strength *seconds `json:"full_strength_s"` // from the fault (or its mend) until all is as before
	Start    seconds  `json:"task_start_s"`    // what a replacement took to start here: under emulation most of the above
	Lost     int      `json:"lost"`            // acknowledged writes that are not stored
	Replaced int      `json:"replaced"`        // replicas that are others than before; 0 where the drill did not get to its end
	Missed   []string `json:"missed,omitempty"`
	Error    string   `json:"error,omitempty"` // the drill did not get to its end
	Via      string   `json:"via"`             // mesh or edge
	Retries  int      `json:"client_retries"`
	Rate     float64  `json:"rate_per_s"`
	Watched  bool     `json:"watched,omitempty"` // with --pages: held against what on-call heard, and nothing else
	Commit   string   `json:"commit"`
	At       string   `json:"at"`
	Took     seconds  `json:"took_s"`
}

// name is the result's in tables: variants are cases of their own.
func (r result) name() string {
	name := r.Case
	if r.Via == "edge" {
		name += " via edge"
	}
	if r.Retries > 0 {
		name += fmt.Sprintf(" (%d retry)", r.Retries)
	}
	if r.Watched {
		name += " (watched)"
	}
	return name
}

// row gives the cells of the table.
func (r result) row() []string {
	optional := func(s *seconds) string {
		if s == nil {
			return "–"
		}
		return fmt.Sprintf("%g s", float64(*s))
	}
	verdict := "ok"
	if !r.OK {
		verdict = "MISSED: " + strings.Join(r.Missed, "; ")
	}
	return []string{
		r.name(), fmt.Sprintf("%d of %d", r.Failed, r.Sent), fmt.Sprintf("%g s", float64(r.Stretch)),
		optional(r.Detect), optional(r.Strength), strconv.Itoa(r.Lost), verdict,
	}
}

var columns = []string{"fault", "failed of sent", "longest stretch", "detected", "full strength", "lost", "held against the aim"}

// writeTable writes results as Markdown, so that a document can hold what was printed.
func writeTable(w io.Writer, results []result) {
	rows := [][]string{columns}
	for _, r := range results {
		rows = append(rows, r.row())
	}
	writeRows(w, rows)
}

// writeRows writes a table whose first row is its head.
func writeRows(w io.Writer, rows [][]string) {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	for i, row := range rows {
		writeRow(w, row, width, " ")
		if i == 0 {
			writeRow(w, make([]string, len(row)), width, "-")
		}
	}
}

func writeRow(w io.Writer, row []string, width []int, fill string) {
	for i, cell := range row {
		fmt.Fprint(w, "|", fill, cell, strings.Repeat(fill, width[i]-len([]rune(cell))), fill)
	}
	fmt.Fprintln(w, "|")
}

// history is the file of all results, one a line. It is only ever added to: the newest result
// of a case is the last one.
type history string

// read gives all of it, the oldest first; nothing where there is no file yet.
func (h history) read() (all []result, err error) {
	f, err := os.Open(string(h))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return all, fmt.Errorf("%s: %w", h, err)
		}
		all = append(all, r)
	}
	return all, lines.Err()
}

func (h history) add(r result) error {
	f, err := os.OpenFile(string(h), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644) //nolint:gosec // for anybody to read
	if err != nil {
		return err
	}
	line, err := json.Marshal(r)
	if err == nil {
		_, err = f.Write(append(line, '\n'))
	}
	return errors.Join(err, f.Close())
}

// newest gives the last result of each case at a commit, in the order of names. Without a
// commit any will do.
func newest(all []result, commit string, names []string) (found []result) {
	for _, name := range names {
		last := -1
		for i, r := range all {
			if r.name() == name && (commit == "" || r.Commit == commit) {
				last = i
			}
		}
		if last >= 0 {
			found = append(found, all[last])
		}
	}
	return found
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }
