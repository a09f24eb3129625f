package simulate

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func TestBuiltinScenarioIsWhatTheGeneratorMakes(t *testing.T) {
	t.Parallel()
	packed, err := gzip.NewReader(bytes.NewReader(builtinScenario))
	if err != nil {
		t.Fatal(err)
	}
	committed, err := io.ReadAll(packed)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, generated(t, DefaultSeed, DefaultActions)) {
		t.Error("testdata/scenario.tsv.gz is not what Generate makes now: " +
			"write it again with minitwit simulate --generate service/simulate/testdata/scenario.tsv.gz")
	}
}

func TestGenerateFollowsItsSeed(t *testing.T) {
	t.Parallel()
	if !bytes.Equal(generated(t, 7, 500), generated(t, 7, 500)) {
		t.Error("Generate(seed 7) differs from itself")
	}
	if bytes.Equal(generated(t, 7, 500), generated(t, 8, 500)) {
		t.Error("Generate(seed 7) = Generate(seed 8)")
	}
	for _, n := range []int{0, 3, -1, 1 << 30} {
		if err := Generate(io.Discard, GenerateOptions{Seed: 1, Actions: n}); err == nil {
			t.Errorf("Generate(%d actions) made something", n)
		}
	}
}

// TestScenarioHasTheRealProportionsAndOddCases reads the built-in scenario as
// a server would meet it.
func TestScenarioHasTheRealProportionsAndOddCases(t *testing.T) {
	t.Parallel()
	actions, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	got := survey(actions)
	want := map[string]int{
		"actions": 26027, "register": 203, "second registration": 3, "tweet by known": 11300,
		"follow of known": 9750, "unfollow of known": 4750, "unfollow of not followed": 1200,
		"with a stranger": 24, "long tweet": 6,
	}
	for what, n := range want {
		if got[what] != n {
			t.Errorf("scenario has %d × %s, want %d", got[what], what, n)
		}
	}
	for _, what := range []string{"follow twice", "emoji", "typographic quote", "beyond ASCII", "backslash", "unescaped HTML"} {
		if got[what] < 10 {
			t.Errorf("scenario has %d × %s, want some", got[what], what)
		}
	}
}

func TestPasswordsHoldEveryPrintableCharacter(t *testing.T) {
	t.Parallel()
	actions, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, a := range actions {
		all.WriteString(a.Password)
	}
	for c := ' '; c <= '~'; c++ {
		if !strings.ContainsRune(all.String(), c) {
			t.Errorf("no password holds %q", c)
		}
	}
}

// survey counts what is in a scenario.
func survey(actions []Action) map[string]int {
	count := map[string]int{"actions": len(actions)}
	known, follows := map[string]bool{}, map[[2]string]bool{}
	yes := func(what string, is bool) {
		if is {
			count[what]++
		}
	}
	for _, a := range actions {
		stranger := a.Command != Register && (!known[a.User] || a.Target != "" && !known[a.Target])
		edge := [2]string{a.User, a.Target}
		yes("with a stranger", stranger)
		switch a.Command {
		case Register:
			count["register"]++
			yes("second registration", known[a.User])
			known[a.User] = true
		case Tweet:
			yes("tweet by known", !stranger)
			yes("long tweet", len(a.Text) > 10_000)
		case Follow:
			yes("follow of known", !stranger)
			yes("follow twice", follows[edge])
			follows[edge] = !stranger
		case Unfollow:
			yes("unfollow of known", !stranger)
			yes("unfollow of not followed", !stranger && !follows[edge])
			delete(follows, edge)
		}
		yes("emoji", strings.ContainsAny(a.Text, "🙂🎉👍"))
		yes("typographic quote", strings.ContainsAny(a.Text, "“”’"))
		yes("beyond ASCII", strings.ContainsFunc(a.Text, func(r rune) bool { return r > unicode.MaxASCII }))
		yes("backslash", strings.Contains(a.Text+a.Password, `\`))
		yes("unescaped HTML", strings.Contains(a.Text, "<b>"))
	}
	return count
}

func TestNamesAreDifferent(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for _, name := range makeNames(newRandom(3), maxNames) {
		seen[name]++
	}
	if diff := cmp.Diff(maxNames, len(seen)); diff != "" {
		t.Errorf("different names (-want +got):\n%s", diff)
	}
}

func generated(t *testing.T, seed uint64, actions int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Generate(&b, GenerateOptions{Seed: seed, Actions: actions}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
