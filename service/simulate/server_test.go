package simulate

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// fakeServer is a small correct server of the simulator API, unless lie makes
// it a liar.
type fakeServer struct {
	mu       sync.Mutex
	users    map[string]bool
	messages []fakeMessage
	follows  map[string][]string
	latest   int
	clock    int64
	authless int // requests that came without the right credentials

	// lie, if set, sees each request first, with its decoded body. It answers
	// the request itself and returns true, or leaves it to the honest server.
	lie func(w http.ResponseWriter, r *http.Request, c call) bool
}

type fakeMessage struct {
	Content string `json:"content"`
	PubDate int64  `json:"pub_date"`
	User    string `json:"user"`
}

// call is a request as the server understands it.
type call struct {
	route string // such as "POST msgs"
	user  string // from the path or, in a registration, the body
	body  map[string]string
	id    int
}

func newFakeServer(t *testing.T) (*fakeServer, string) {
	t.Helper()
	f := &fakeServer{users: map[string]bool{}, follows: map[string][]string{}, latest: -1}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return f, s.URL
}

func (f *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := understand(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if f.lie != nil && f.lie(w, r, c) {
		return
	}
	f.honest(w, r, c)
}

func understand(r *http.Request) (call, error) {
	parts := strings.SplitN(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/", 2)
	c := call{route: r.Method + " " + parts[0], id: -1}
	if len(parts) == 2 {
		user, err := url.PathUnescape(parts[1])
		if err != nil {
			return c, err
		}
		c.user = user
	}
	if r.Method == http.MethodPost {
		if err := json.NewDecoder(r.Body).Decode(&c.body); err != nil {
			return c, err
		}
		if parts[0] == "register" {
			c.user = c.body["username"]
		}
	}
	if n, err := strconv.Atoi(r.URL.Query().Get("latest")); err == nil {
		c.id = n
	}
	return c, nil
}

func (f *fakeServer) honest(w http.ResponseWriter, r *http.Request, c call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name, password, _ := r.BasicAuth()
	if c.route != "POST register" && c.route != "GET latest" && name+":"+password != DefaultCredentials {
		f.authless++
		refuse(w, http.StatusForbidden, "You are not authorized to use this resource!")
		return
	}
	if c.id >= 0 {
		f.latest = c.id
	}
	switch {
	case c.route == "GET latest":
		reply(w, map[string]int{"latest": f.latest})
	case c.route == "POST register":
		f.register(w, c)
	case c.user != "" && !f.users[c.user]:
		refuse(w, http.StatusNotFound, "no such user")
	case c.route == "GET msgs":
		f.list(w, r, c)
	case c.route == "GET fllws":
		reply(w, map[string][]string{"follows": append([]string{}, f.follows[c.user]...)})
	case c.route == "POST msgs":
		f.store(c)
		w.WriteHeader(http.StatusNoContent)
	case c.route == "POST fllws":
		f.relate(w, c)
	default:
		refuse(w, http.StatusMethodNotAllowed, c.route)
	}
}

func (f *fakeServer) register(w http.ResponseWriter, c call) {
	if f.users[c.user] {
		refuse(w, http.StatusBadRequest, "The username is already taken")
		return
	}
	f.users[c.user] = true
	w.WriteHeader(http.StatusNoContent)
}

// store keeps a message; f.mu is held, as by all that follow.
func (f *fakeServer) store(c call) {
	f.clock++
	f.messages = append(f.messages, fakeMessage{c.body["content"], f.clock / 10, c.user})
}

func (f *fakeServer) list(w http.ResponseWriter, r *http.Request, c call) {
	no, err := strconv.Atoi(r.URL.Query().Get("no"))
	if err != nil || no < 0 {
		no = 100
	}
	list := []fakeMessage{}
	for _, m := range slices.Backward(f.messages) {
		if len(list) < min(no, pageMax) && (c.user == "" || m.User == c.user) {
			list = append(list, m)
		}
	}
	reply(w, list)
}

func (f *fakeServer) relate(w http.ResponseWriter, c call) {
	whom, on := c.body["follow"]
	if !on {
		whom = c.body["unfollow"]
	}
	if !f.users[whom] {
		refuse(w, http.StatusNotFound, "no such user")
		return
	}
	list := slices.DeleteFunc(f.follows[c.user], func(s string) bool { return s == whom })
	if on {
		list = append(list, whom)
	}
	f.follows[c.user] = list
	w.WriteHeader(http.StatusNoContent)
}

func reply(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(what)
}

func refuse(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "error_msg": text})
}

// once makes a lie that is told for one request only, of those that it fits.
func once(lie func(w http.ResponseWriter, c call) bool) func(http.ResponseWriter, *http.Request, call) bool {
	var mu sync.Mutex
	told := false
	return func(w http.ResponseWriter, _ *http.Request, c call) bool {
		mu.Lock()
		defer mu.Unlock()
		if told {
			return false
		}
		told = lie(w, c)
		return told
	}
}
