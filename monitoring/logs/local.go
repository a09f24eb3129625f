package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// local reads the files of the processes that ./scripts/run.sh up has started. find has to
// come before news: it makes the maps, which go by the files' names, and begins anew.
type local struct {
	dir  string
	read map[string]int64 // how far, by file
	last map[string]entry // of each file
}

// find also reads what the run before has left in NAME.log.1.
func (l *local) find(ctx context.Context, q query) ([]entry, error) {
	l.read, l.last = map[string]int64{}, map[string]entry{}
	var before []entry
	missing := true
	for _, service := range servicesOf(q) {
		// That of the run before, too: what is asked for may be in there.
		found, err := l.lines(service+".log.1", service)
		if err != nil {
			return nil, err
		}
		before = append(before, found...)
		_, err = os.Stat(filepath.Join(l.dir, service+".log"))
		// One of those that are asked for is enough.
		missing = missing && err != nil
	}
	if missing {
		return nil, errors.New("there is no log yet: './scripts/run.sh up' starts what writes one")
	}
	now, err := l.news(ctx, q)
	return append(matching(before, q), now...), err
}

func (l *local) news(_ context.Context, q query) ([]entry, error) {
	var found []entry
	for _, service := range servicesOf(q) {
		now, err := l.lines(service+".log", service)
		if err != nil {
			return nil, err
		}
		found = append(found, now...)
	}
	return matching(found, q), nil
}

func servicesOf(q query) []string {
	if len(q.services) == 0 {
		return []string{"web", "api", "db"}
	}
	return q.services
}

// lines gives the whole lines of a file that were added since it was read before. One
// that is shorter than it was is another file.
func (l *local) lines(name, service string) ([]entry, error) {
	file, err := os.Open(filepath.Join(l.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() < l.read[name] {
		l.read[name] = 0
	}
	content, err := io.ReadAll(io.NewSectionReader(file, l.read[name], info.Size()-l.read[name]))
	if err != nil {
		return nil, err
	}
	// A line that is still being written is left for the next time.
	content = content[:bytes.LastIndexByte(content, '\n')+1]
	l.read[name] += int64(len(content))
	var found []entry
	for line := range bytes.Lines(content) {
		e := parse(string(bytes.TrimRight(line, "\n")), service, time.Time{})
		if e.time.IsZero() { // of several lines the first has the time
			e.time, e.request = l.last[name].time, l.last[name].request
		}
		if e.time.IsZero() { // what died at its start wrote nothing else
			e.time = info.ModTime()
		}
		l.last[name] = e
		found = append(found, e)
	}
	return found, nil
}

// matching leaves what is asked for, in the slice that it is given.
func matching(found []entry, q query) []entry {
	oldest := time.Now().Add(-q.since)
	return slices.DeleteFunc(found, func(e entry) bool {
		return q.request != "" && e.request != q.request || q.errors && !slices.Contains(severe, e.level) || e.time.Before(oldest)
	})
}
