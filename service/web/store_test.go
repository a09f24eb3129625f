package web_test

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"minitwit/service/minitwit"
)

// memory is a small working store, so that tests of pages need no database.
type memory struct {
	mu       sync.Mutex
	users    []account // the ID is the index plus one
	follows  map[[2]string]bool
	messages []minitwit.Message // newest first
	fault    error              // what every call answers, if set
}

type account struct {
	minitwit.User
	password string
}

func newMemory() *memory { return &memory{follows: make(map[[2]string]bool)} }

// lock also gives what is wrong with the store.
func (m *memory) lock() error {
	m.mu.Lock()
	return m.fault
}

func (m *memory) breakDown(fault error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = fault
}

// endSessions is what changing a password does.
func (m *memory) endSessions(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.find(name).SessionEpoch++
}

func (m *memory) find(name string) *account {
	for i := range m.users {
		if m.users[i].Name == name {
			return &m.users[i]
		}
	}
	return nil
}

func (m *memory) Register(_ context.Context, r minitwit.Registration) error {
	defer m.mu.Unlock()
	if err := m.lock(); err != nil {
		return err
	}
	if err := r.Validate(); err != nil {
		return err
	}
	if m.find(r.Name) != nil {
		return minitwit.ErrNameTaken
	}
	m.users = append(m.users, account{minitwit.User{ID: int64(len(m.users) + 1), Name: r.Name}, r.Password})
	return nil
}

func (m *memory) Login(_ context.Context, name, password string) (minitwit.User, error) {
	defer m.mu.Unlock()
	if err := m.lock(); err != nil {
		return minitwit.User{}, err
	}
	u := m.find(name)
	switch {
	case u == nil:
		return minitwit.User{}, minitwit.ErrInvalidUsername
	case u.password != password:
		return minitwit.User{}, minitwit.ErrInvalidPassword
	}
	return u.User, nil
}

func (m *memory) SessionUser(_ context.Context, id, epoch int64) (minitwit.User, error) {
	defer m.mu.Unlock()
	if err := m.lock(); err != nil {
		return minitwit.User{}, err
	}
	if id > int64(len(m.users)) || m.users[id-1].SessionEpoch != epoch {
		return minitwit.User{}, minitwit.ErrUserNotFound
	}
	return m.users[id-1].User, nil
}

func (m *memory) PublicTimeline(_ context.Context, w minitwit.Window) (minitwit.Page, error) {
	defer m.mu.Unlock()
	if err := m.lock(); err != nil {
		return minitwit.Page{}, err
	}
	return m.page(w, func(string) bool { return true }), nil
}

func (m *memory) HomeTimeline(_ context.Context, userID int64, w minitwit.Window) (minitwit.Page, error) {
	defer m.mu.Unlock()
	if err := m.lock(); err != nil {
		return minitwit.Page{}, err
	}
	me := m.users[userID-1].Name
	return m.page(w, func(author string) bool { return author == me || m.follows[[2]string{me, author}] }), nil
}

func (m *memory) UserTimeline(
	_ context.Context, name string, viewerID int64, w minitwit.Window,
) (minitwit.Profile, minitwit.Page, error) {
	defer m.mu.Unlock()
	if err := m.lock(); err != nil {
		return minitwit.Profile{}, minitwit.Page{}, err
	}
	u := m.find(name)
	if u == nil {
		return minitwit.Profile{}, minitwit.Page{}, minitwit.ErrUserNotFound
	}
	p := minitwit.Profile{User: u.User}
	if viewerID > 0 {
		p.Followed = m.follows[[2]string{m.users[viewerID-1].Name, name}]
	}
	return p, m.page(w, func(author string) bool { return author == name }), nil
}

func (m *memory) AddMessage(_ context.Context, author, text string) error {
	return m.addAt(author, text, 1795421760) // 2026-11-23 @ 08:16
}

func (m *memory) addAt(author, text string, date int64) error {
	defer m.mu.Unlock()
	if err := m.lock(); err != nil {
		return err
	}
	msg := minitwit.Message{ID: int64(len(m.messages) + 1), Author: author, Text: text, PubDate: date}
	m.messages = slices.Insert(m.messages, 0, msg)
	return nil
}

func (m *memory) Follow(_ context.Context, who, whom string) error {
	return m.setFollow(who, whom, true)
}

func (m *memory) Unfollow(_ context.Context, who, whom string) error {
	return m.setFollow(who, whom, false)
}

func (m *memory) setFollow(who, whom string, follows bool) error {
	defer m.mu.Unlock()
	if err := m.lock(); err != nil {
		return err
	}
	if m.find(whom) == nil {
		return minitwit.ErrUserNotFound
	}
	m.follows[[2]string{who, whom}] = follows
	return nil
}

// page cuts a window out of the messages of the authors that are wanted.
func (m *memory) page(w minitwit.Window, wanted func(author string) bool) minitwit.Page {
	var all []minitwit.Message
	for _, msg := range m.messages {
		if wanted(msg.Author) {
			all = append(all, msg)
		}
	}
	start, end := 0, len(all)
	switch {
	case !w.After.IsZero():
		end = countNewer(all, w.After)
		start = max(0, end-minitwit.PerPage)
	case !w.Before.IsZero():
		start = countNewer(all, minitwit.Cursor{PubDate: w.Before.PubDate, ID: w.Before.ID - 1})
	}
	end = min(end, start+minitwit.PerPage)
	return minitwit.Page{Messages: all[start:end], HasNewer: start > 0, HasOlder: end < len(all)}
}

func countNewer(all []minitwit.Message, c minitwit.Cursor) int {
	older := func(m minitwit.Message) bool {
		return cmp.Or(cmp.Compare(m.PubDate, c.PubDate), cmp.Compare(m.ID, c.ID)) <= 0
	}
	if i := slices.IndexFunc(all, older); i >= 0 {
		return i
	}
	return len(all)
}
