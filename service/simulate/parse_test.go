package simulate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseTakesFieldsVerbatim(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in   string
		want []Action
	}{
		{"", nil},
		{
			"0\t0\t1582246860738\tregister\tAda B\tA+B@x.dk\t]=)[\"'\\X{Km{z\n",
			[]Action{{EpochMillis: 1582246860738, Command: Register, User: "Ada B", Email: "A+B@x.dk", Password: `]=)["'\X{Km{z`}},
		},
		{
			"3\t361\t5\ttweet\tAda B\t “Why not?” 🙂 \r\n4\t1\t6\tfollow\tAda B\tCy\n5\t1\t7\tunfollow\tAda B\tCy",
			[]Action{
				{ID: 3, DelayMillis: 361, EpochMillis: 5, Command: Tweet, User: "Ada B", Text: " “Why not?” 🙂 \r"},
				{ID: 4, DelayMillis: 1, EpochMillis: 6, Command: Follow, User: "Ada B", Target: "Cy"},
				{ID: 5, DelayMillis: 1, EpochMillis: 7, Command: Unfollow, User: "Ada B", Target: "Cy"},
			},
		},
		{"1\t2\t3\ttweet\tAda\t", []Action{{ID: 1, DelayMillis: 2, EpochMillis: 3, Command: Tweet, User: "Ada"}}},
	} {
		got, err := Parse(strings.NewReader(tc.in))
		if err != nil {
			t.Errorf("Parse(%q): %v", tc.in, err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("Parse(%q) (-want +got):\n%s", tc.in, diff)
		}
	}
}

func TestParseNamesTheBadLine(t *testing.T) {
	t.Parallel()
	good := "0\t0\t0\ttweet\tAda\thello\n"
	for _, tc := range []struct{ in, want string }{
		{good + "\n" + good, "line 2: 1 fields"},
		{good + good + "2\t0\t0\ttweet\n", "line 3: 4 fields"},
		{"0\t0\t0\ttweet\tAda", "line 1: tweet has 5 fields instead of 6"},
		{"0\t0\t0\ttweet\tAda\ta\tb", "line 1: tweet has 7 fields instead of 6"},
		{"0\t0\t0\tregister\tAda\ta@b", "line 1: register has 6 fields instead of 7"},
		{"0\t0\t0\tshout\tAda\thello", `line 1: unknown command "shout"`},
		{"0\t0\t0\tTWEET\tAda\thello", `line 1: unknown command "TWEET"`},
		{"x\t0\t0\ttweet\tAda\thello", `line 1: id "x" is not a whole number`},
		{"-1\t0\t0\ttweet\tAda\thello", `line 1: id "-1" is not`},
		{"007\t0\t0\ttweet\tAda\thello", `line 1: id "007" is not`},
		{"0\t1.5\t0\ttweet\tAda\thello", `line 1: delay "1.5" is not`},
		{"0\t0\t99999999999999999999\ttweet\tAda\thello", `line 1: epoch-ms "99999999999999999999" is not`},
		{"0\t0\t0\ttweet\t\thello", "line 1: the user's name is empty"},
		{"0\t0\t0\tfollow\tAda\t", "line 1: follow of nobody"},
		{"0\t0\t0\ttweet\tAda\t\xff", "line 1: not valid UTF-8"},
		{good + "1\t0\t0\ttweet\tAda\t" + strings.Repeat("x", maxLineBytes) + "\n", "line 2: longer than 4194304 bytes"},
	} {
		shown := tc.in[:min(len(tc.in), 80)]
		got, err := Parse(strings.NewReader(tc.in))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Parse(%q) = %v, %v, want an error with %q", shown, got, err, tc.want)
		}
	}
}

// FuzzParse holds that nothing panics, and that what is understood is
// understood completely: it is written again byte for byte.
func FuzzParse(f *testing.F) {
	f.Add("0\t0\t1582246860738\tregister\tAda B\tA+B@x.dk\t]=)[\"'\\X{Km{z\n1\t2\t3\ttweet\tAda B\t“Why?”\r\n")
	f.Add("4\t1\t6\tfollow\tAda B\tCy\n5\t1\t7\tunfollow\tAda B\tCy")
	f.Add("0\t0\t0\ttweet\tAda\t\xff")
	f.Fuzz(func(t *testing.T, in string) {
		actions, err := Parse(strings.NewReader(in))
		if err != nil {
			return
		}
		lines := make([]string, len(actions))
		for i, a := range actions {
			lines[i] = a.String()
		}
		if got, want := strings.Join(lines, "\n"), strings.TrimSuffix(in, "\n"); got != want {
			t.Errorf("Parse(%q) writes %q", in, got)
		}
	})
}
