package account

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"minitwit/service/minitwit"
)

// Limits of wrong passwords for one account on one replica. Addresses do not
// count: behind Swarm's routing mesh all clients have the mesh's.
// An account has throttleBurst attempts and gains one every throttleEvery; Retry-After, in
// the server package, says the same 6 seconds.
const (
	throttleBurst    = 10
	throttleEvery    = 6 * time.Second
	throttleAccounts = 10_000
)

// throttle slows down guessing. It forgets everything rather than grow without
// bound, and knows existing accounts only: invented names cannot fill it.
type throttle struct {
	now      func() time.Time
	mu       sync.Mutex
	accounts map[string]*rate.Limiter
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, accounts: make(map[string]*rate.Limiter)}
}

// attempt counts a try, or refuses it with CodeTooMany. Whether the password is right is not
// known yet: if it is, forget ends the count.
func (t *throttle) attempt(name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	limiter, ok := t.accounts[name]
	if !ok {
		if len(t.accounts) >= throttleAccounts {
			clear(t.accounts)
		}
		limiter = rate.NewLimiter(rate.Every(throttleEvery), throttleBurst)
		t.accounts[name] = limiter
	}
	if !limiter.AllowN(t.now(), 1) {
		return minitwit.Errorf(minitwit.CodeTooMany, "Too many wrong passwords for this account. Please wait a few seconds.")
	}
	return nil
}

// forget starts afresh after a right password.
func (t *throttle) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.accounts, name)
}
