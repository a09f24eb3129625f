package deadman

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// journal remembers the last pages and what became of them. Whoever tests the way of
// a page looks there for his.
type journal struct {
	mu    sync.Mutex
	pages []delivery
}

// delivery is a page and, by each pager's name, what became of it: "waiting",
// "delivered", or what was wrong with the last attempt.
type delivery struct {
	Page
	Pagers map[string]string `json:"pagers"`
}

// maxJournal is how many pages are remembered; /status lists all of them.
const maxJournal = 20

// add remembers a page. It comes before the page is queued, so that a pager finds the page
// of which it notes what became.
func (j *journal) add(p Page, pagers []*queue) {
	d := delivery{p, make(map[string]string, len(pagers))}
	for _, q := range pagers {
		d.Pagers[q.name] = "waiting"
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.pages = append(j.pages, d); len(j.pages) > maxJournal {
		j.pages = slices.Delete(j.pages, 0, 1)
	}
}

// note writes down what became of a page, if it is still remembered.
func (j *journal) note(p Page, pager, result string, status int, err error) {
	why := []string{result}
	switch {
	case err != nil:
		why = append(why, err.Error())
	case status >= http.StatusMultipleChoices:
		why = append(why, http.StatusText(status))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if i := slices.IndexFunc(j.pages, func(d delivery) bool { return d.Page == p }); i >= 0 {
		j.pages[i].Pagers[pager] = strings.Join(why, ": ")
	}
}

// list gives what is remembered, the oldest first.
func (j *journal) list() []delivery {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := append([]delivery{}, j.pages...) // not nil: a list in JSON, too
	// Copies, since the pagers go on writing into theirs.
	for i := range all {
		all[i].Pagers = maps.Clone(all[i].Pagers)
	}
	return all
}
