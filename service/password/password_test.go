package password

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

const (
	oldKey = "the key before, thirty-two characters"
	newKey = "the key of now, thirty-two characters"
)

// The cheapest cost: what is tested is not how long bcrypt takes.
func newScheme(t *testing.T, current, previous string) *Scheme {
	t.Helper()
	s, err := New(current, previous, bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func strengthen(t *testing.T, s *Scheme, digest string) string {
	t.Helper()
	strong, err := s.Strengthen(digest)
	if err != nil {
		t.Fatal(err)
	}
	return strong
}

func TestAPasswordWorksAsDigestAndAsLastingHash(t *testing.T) {
	t.Parallel()
	s := newScheme(t, newKey, "")
	for _, pw := range []string{"x", `]=)[X{Km{z"'\`, "пароль 🔑", strings.Repeat("long ", 1000), "a$b$c"} {
		digest := s.Digest(pw)
		for form, stored := range map[string]string{"digest": digest, "lasting": strengthen(t, s, digest)} {
			if ok, err := s.Verify(stored, pw); !ok || err != nil {
				t.Errorf("Verify(%s of %.20q) = %v, %v, want true", form, pw, ok, err)
			}
			if ok, err := s.Verify(stored, pw+"x"); ok || err != nil {
				t.Errorf("Verify(%s of %.20q, another) = %v, %v, want false", form, pw, ok, err)
			}
			if strings.Contains(stored, pw) && len(pw) > 1 {
				t.Errorf("%s of %.20q holds the password: %q", form, pw, stored)
			}
		}
	}
}

// Bcrypt alone would stop reading at 72 bytes.
func TestLongPasswordsDifferBeyond72Bytes(t *testing.T) {
	t.Parallel()
	s := newScheme(t, newKey, "")
	long := strings.Repeat("a", 100)
	stored := strengthen(t, s, s.Digest(long+"1"))
	if ok, _ := s.Verify(stored, long+"2"); ok {
		t.Error("a password that differs in byte 101 is accepted")
	}
}

func TestEqualPasswordsAreStoredDifferently(t *testing.T) {
	t.Parallel()
	s := newScheme(t, newKey, "")
	if first, second := s.Digest("same"), s.Digest("same"); first == second {
		t.Error("two digests of one password are equal")
	}
}

func TestAStolenDatabaseIsWorthlessWithoutTheKey(t *testing.T) {
	t.Parallel()
	stored := newScheme(t, newKey, "").Digest("secret")
	thief := newScheme(t, oldKey, "")
	if ok, err := thief.Verify(stored, "secret"); ok || !errors.Is(err, ErrUnknownKey) {
		t.Errorf("Verify under another key = %v, %v, want ErrUnknownKey", ok, err)
	}
	if strings.Contains(stored, newKey) {
		t.Errorf("the stored digest holds the key: %q", stored)
	}
}

func TestKeysCanBeRotated(t *testing.T) {
	t.Parallel()
	before, after := newScheme(t, oldKey, ""), newScheme(t, newKey, oldKey)
	stored := strengthen(t, before, before.Digest("secret"))
	if ok, err := after.Verify(stored, "secret"); !ok || err != nil {
		t.Errorf("Verify after rotation = %v, %v, want true", ok, err)
	}
	if after.IsCurrent(stored) {
		t.Error("a hash under the previous key counts as current")
	}
	if renewed := after.Digest("secret"); !after.IsCurrent(renewed) {
		t.Error("a digest under the current key does not count as current")
	}
}

func TestAHashOfALowerCostIsNotCurrent(t *testing.T) {
	t.Parallel()
	cheap := newScheme(t, newKey, "")
	stored := strengthen(t, cheap, cheap.Digest("secret"))
	dearer, err := New(newKey, "", bcrypt.MinCost+1)
	if err != nil {
		t.Fatal(err)
	}
	if !cheap.IsCurrent(stored) || dearer.IsCurrent(stored) {
		t.Errorf("current at cost 4: %v, at cost 5: %v; want true, false", cheap.IsCurrent(stored), dearer.IsCurrent(stored))
	}
}

// The hashes were made by Python's hashlib as werkzeug does it.
func TestHashesOfOtherMiniTwitsAreVerified(t *testing.T) {
	t.Parallel()
	s := newScheme(t, newKey, "")
	plain, err := bcrypt.GenerateFromPassword([]byte("s3cret \"[ü"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for name, stored := range map[string]string{
		"pbkdf2": "pbkdf2:sha256:50000$abcdefgh$5dc803247879e98edfe020318068a014e662b4a41ace0976680b9d920c7dffc6",
		"scrypt": "scrypt:32768:8:1$saltsalt$73e1883928ef97b79bd3f5d09741e3dff9c5f7c50c95deef5ec45f2a9f61fdf0" +
			"4874b2fbfbd46d8a9786a0ff077bba759d303c79505b7acff6f3f54f7f2b753f",
		"bcrypt": string(plain),
	} {
		if ok, err := s.Verify(stored, "s3cret \"[ü"); !ok || err != nil {
			t.Errorf("Verify(%s) = %v, %v, want true", name, ok, err)
		}
		if ok, err := s.Verify(stored, "s3cret"); ok || err != nil {
			t.Errorf("Verify(%s, wrong) = %v, %v, want false", name, ok, err)
		}
		if s.IsCurrent(stored) {
			t.Errorf("%s counts as current", name)
		}
	}
}

func TestMalformedHashesNeverMatchAndNeverHang(t *testing.T) {
	t.Parallel()
	s := newScheme(t, newKey, "")
	for _, stored := range []string{
		"", "x", "$", "$$$", "digest$$$", "digest$id$salt$digest", "bcrypt-digest$id$salt$$2a$10$",
		"pbkdf2:sha256:50000$salt$", "pbkdf2:sha256:0$salt$00", "pbkdf2:sha256:99999999999$salt$00",
		"pbkdf2:md5:1$salt$00", "pbkdf2$salt$00", "scrypt:32768:8$salt$00", "scrypt:1073741824:8:1$salt$00",
		"scrypt:3:8:1$salt$00", "scrypt:32768:8:1000000$salt$00", "scrypt:2:262144:16$salt$00", "scrypt:9223372036854775807:1:1$salt$00", "scrypt:-1:8:1$salt$00", "plain$salt$00", "$2a$10$short",
	} {
		if ok, err := s.Verify(stored, ""); ok || err == nil {
			t.Errorf("Verify(%q) = %v, %v, want an error", stored, ok, err)
		}
	}
}

func TestNewRefusesWhatIsUnsafe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key  string
		cost int
	}{{"", 10}, {newKey, 3}, {newKey, 32}} {
		if _, err := New(c.key, "", c.cost); err == nil {
			t.Errorf("New(%q, cost %d) succeeds, want an error", c.key, c.cost)
		}
	}
}
