package password

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"
)

// Bounds for the parameters of a stored hash: whoever can write to the
// database must not be able to stop the service with one login.
const (
	maxPBKDF2Iterations = 10_000_000
	maxScryptMemory     = 64 << 20 // bytes: 128 * (N + p) * r, twice of what werkzeug's own take
	maxScryptParallel   = 16
)

// ErrUnknownFormat says that a stored hash is of no form that we know.
var ErrUnknownFormat = errors.New("password: unknown hash format")

// verifyForeign checks the hashes of other MiniTwits: werkzeug's
// "pbkdf2:sha256:ITERATIONS$salt$hex" and "scrypt:N:r:p$salt$hex", and plain
// bcrypt.
func verifyForeign(stored, password string) (bool, error) {
	if strings.HasPrefix(stored, "$2") {
		return matches(bcrypt.CompareHashAndPassword([]byte(stored), []byte(password)))
	}
	parts := strings.Split(stored, "$")
	if len(parts) != 3 {
		return false, ErrUnknownFormat
	}
	want, err := hex.DecodeString(parts[2])
	if err != nil || len(want) == 0 {
		return false, ErrUnknownFormat
	}
	method := strings.Split(parts[0], ":")
	var got []byte
	switch method[0] {
	case "pbkdf2":
		got, err = werkzeugPBKDF2(method[1:], parts[1], password, len(want))
	case "scrypt":
		got, err = werkzeugScrypt(method[1:], parts[1], password, len(want))
	default:
		return false, ErrUnknownFormat
	}
	// In constant time, so that an answer's delay tells nothing of the hash.
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1, err
}

// werkzeugPBKDF2 takes a hash's name and the iterations. Size is that of the stored key, in
// bytes.
func werkzeugPBKDF2(params []string, salt, password string, size int) ([]byte, error) {
	hashes := map[string]func() hash.Hash{"sha256": sha256.New, "sha512": sha512.New}
	if len(params) != 2 || hashes[params[0]] == nil {
		return nil, ErrUnknownFormat
	}
	iterations, err := strconv.Atoi(params[1])
	if err != nil || iterations < 1 || iterations > maxPBKDF2Iterations {
		return nil, fmt.Errorf("%w: %q iterations", ErrUnknownFormat, params[1])
	}
	return pbkdf2.Key(hashes[params[0]], password, []byte(salt), iterations, size)
}

// werkzeugScrypt takes N, r and p.
func werkzeugScrypt(params []string, salt, password string, size int) ([]byte, error) {
	if len(params) != 3 {
		return nil, ErrUnknownFormat
	}
	var n [3]int
	for i, p := range params {
		v, err := strconv.Atoi(p)
		if err != nil || v < 1 {
			return nil, fmt.Errorf("%w: scrypt parameter %q", ErrUnknownFormat, p)
		}
		n[i] = v
	}
	// Divided, so that nothing overflows.
	if most := maxScryptMemory / 128 / n[1]; n[2] > maxScryptParallel || n[0] > most || n[0]+n[2] > most {
		return nil, fmt.Errorf("%w: scrypt parameters too large", ErrUnknownFormat)
	}
	return scrypt.Key([]byte(password), []byte(salt), n[0], n[1], n[2], size)
}
