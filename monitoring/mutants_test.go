package monitoring_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// mutant is a rule that is wrong in one place.
type mutant struct {
	name string // "EndpointDown: == becomes != (1)": the first such change of that rule
	rule *rule
}

// continuous are alerts whose figures are sums of rates, which are never exactly the limit:
// whether it is included does not matter.
var continuous = map[string]bool{"ErrorBudgetFastBurn": true, "ErrorBudgetSlowBurn": true}

var strict = regexp.MustCompile(`^[<>] becomes [<>]=$`)

// mutants gives a rule with all that is changed about it, one at a time.
func mutants(r *rule) (all []mutant) {
	seen := map[string]int{}
	add := func(what string, change func(*rule)) {
		seen[what]++
		changed := *r
		changed.Labels = maps.Clone(r.Labels)
		change(&changed)
		all = append(all, mutant{fmt.Sprintf("%s: %s (%d)", r.name(), what, seen[what]), &changed})
	}
	add("the expression is never true", func(m *rule) { m.Expr = "vector(0) > 1" })
	for _, e := range edits(tokens(r.Expr)) {
		if strict.MatchString(e.what) && continuous[r.name()] {
			continue
		}
		add(e.what, func(m *rule) { m.Expr = e.expr })
	}
	if r.For != "" {
		for _, f := range scaled(r.For) {
			add("for becomes "+f, func(m *rule) { m.For = f })
		}
	}
	if r.KeepFiringFor != "" {
		for _, f := range scaled(r.KeepFiringFor) {
			add("keep_firing_for becomes "+f, func(m *rule) { m.KeepFiringFor = f })
		}
	}
	if other := map[string]string{"page": "ticket", "ticket": "page", "heartbeat": "ticket"}[r.Labels["severity"]]; other != "" {
		add("severity becomes "+other, func(m *rule) { m.Labels["severity"] = other })
	}
	return all
}

// scaled gives a quarter of a duration, and four times as much.
func scaled(duration string) []string {
	unit := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}[duration[len(duration)-1]]
	n, err := strconv.Atoi(duration[:len(duration)-1])
	if err != nil || unit == 0 {
		panic("no duration: " + duration)
	}
	d := time.Duration(n) * unit
	return []string{fmt.Sprintf("%dms", (d / 4).Milliseconds()), fmt.Sprintf("%dms", (d * 4).Milliseconds())}
}

// A token is a word of PromQL or the space between two.
var token = regexp.MustCompile(`"[^"]*"|\d+(?:ms|[smhdwy])\b|\d+(?:\.\d+)?(?:e\d+)?|[a-zA-Z_:][\w:]*|==|!=|<=|>=|=~|!~|\s+|.`)

func tokens(expr string) []string { return token.FindAllString(expr, -1) }

type edit struct{ what, expr string }

// edits changes an expression in each place where a change may matter.
func edits(ts []string) (all []edit) {
	replace := func(from, to int, with string) string {
		return strings.Join(ts[:from], "") + with + strings.Join(ts[to:], "")
	}
	depth, braces := 0, false
	for i, t := range ts {
		switch t {
		case "(":
			depth++
		case ")":
			depth--
		case "{", "}":
			braces = t == "{"
		}
		if braces {
			for _, e := range matcherEdits(ts, i) {
				all = append(all, edit{e.what, replace(e.from, e.to, e.with)})
			}
			continue
		}
		for _, w := range wordEdits(ts, i) {
			all = append(all, edit{t + " becomes " + w, replace(i, i+1, w)})
		}
		for _, e := range clauseEdits(ts, i) {
			all = append(all, edit{e.what, replace(e.from, e.to, e.with)})
		}
	}
	return all
}

// span is a change of the tokens from one to another.
type span struct {
	what     string
	from, to int
	with     string
}

var opposite = map[string]string{"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}

// matcherEdits negates or drops the matcher whose operator is the token i.
func matcherEdits(ts []string, i int) []span {
	if opposite[ts[i]] == "" {
		return nil
	}
	name := ts[i-1] + ts[i] + ts[i+1]
	from, to := i-1, i+2
	if ts[to] == "," {
		to++
	} else if ts[from-1] == "," {
		from--
	}
	return []span{
		{name + " is dropped", from, to, ""},
		{name + " is negated", i, i + 1, opposite[ts[i]]},
	}
}

// wordEdits gives what else the single word i might be.
func wordEdits(ts []string, i int) []string {
	switch t := ts[i]; t {
	case "==", "!=", "<", "<=", ">", ">=":
		return otherComparisons(ts, i)
	case "max":
		return []string{"min"}
	case "min":
		return []string{"max"}
	case "and":
		return []string{"or"}
	case "or":
		return []string{"and"}
	case "unless":
		return []string{"and"}
	default:
		if numeral.MatchString(t) {
			return otherNumbers(t)
		}
		if strings.TrimSpace(t) != "" && previous(ts, i) == "offset" {
			return scaled(t)
		}
	}
	return nil
}

var numeral = regexp.MustCompile(`^\d+(\.\d+)?(e\d+)?$`)

// otherNumbers are next to a small whole number, or a tenth away.
func otherNumbers(number string) []string {
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		panic(err)
	}
	by := n / 10
	if n < 10 && !strings.Contains(number, ".") {
		by = 1
	}
	return []string{strconv.FormatFloat(n-by, 'f', -1, 64), strconv.FormatFloat(n+by, 'f', -1, 64)}
}

// otherComparisons turns one round, and lets it include what is equal or not, unless that
// is a fraction, which no figure ever meets.
func otherComparisons(ts []string, i int) []string {
	turned := map[string]string{"==": "!=", "!=": "==", "<": ">", ">": "<", "<=": ">", ">=": "<"}[ts[i]]
	equal := map[string]string{"<": "<=", ">": ">=", "<=": "<", ">=": ">"}[ts[i]]
	if equal == "" || strings.Contains(next(ts, i), ".") {
		return []string{turned}
	}
	return []string{turned, equal}
}

// clauseEdits drops what the word i begins: a grouping, a condition or an alternative; and
// takes what is asked for where its absence was.
func clauseEdits(ts []string, i int) []span {
	switch ts[i] {
	case "by", "on":
		to := closing(ts, i) + 1
		return []span{{text(ts[i:to]) + " is dropped", i, to, ""}}
	case "absent":
		return []span{{text(ts[i:closing(ts, i)+1]) + " asks for presence", i, i + 1, ""}}
	case "and", "unless", "or":
		to := operandEnd(ts, i)
		return []span{{text(ts[i:to]) + " is dropped", i, to, ""}}
	}
	return nil
}

// closing finds the parenthesis that closes the first one after i.
func closing(ts []string, i int) int {
	depth := 0
	for ; ; i++ {
		switch ts[i] {
		case "(":
			depth++
		case ")":
			depth--
			if depth == 0 {
				return i
			}
		}
	}
}

// operandEnd finds the end of what stands behind the set operator i: another one that does
// not bind tighter, or the end of the parenthesis.
func operandEnd(ts []string, i int) int {
	depth := 0
	for j := i + 1; j < len(ts); j++ {
		switch t := ts[j]; {
		case t == "(" || t == "{":
			depth++
		case t == ")" || t == "}":
			depth--
		case depth == 0 && (t == "or" || ts[i] != "or" && (t == "and" || t == "unless")):
			return j
		}
		if depth < 0 || depth == 0 && ts[j] == "," {
			return j
		}
	}
	return len(ts)
}

func previous(ts []string, i int) string {
	for i--; i >= 0 && strings.TrimSpace(ts[i]) == ""; i-- {
	}
	if i < 0 {
		return ""
	}
	return ts[i]
}

func next(ts []string, i int) string {
	for i++; i < len(ts) && strings.TrimSpace(ts[i]) == ""; i++ {
	}
	if i >= len(ts) {
		return ""
	}
	return ts[i]
}

// text is an excerpt on one line.
func text(ts []string) string { return strings.Join(strings.Fields(strings.Join(ts, "")), " ") }

func TestARuleIsMutatedInEachPlace(t *testing.T) {
	t.Parallel()
	r := &rule{
		Alert: "A", For: "20s", Labels: map[string]string{"severity": "page"},
		Expr: `max by (a) (x{b="c",d=~"e"}) < 3 and y > 0.5 or vector(0)`,
	}
	var got []string
	for _, m := range mutants(r) {
		got = append(got, strings.TrimPrefix(m.name, "A: ")+": "+m.rule.Expr)
	}
	for _, want := range []string{
		`the expression is never true (1): vector(0) > 1`,
		`max becomes min (1): min by (a) (x{b="c",d=~"e"}) < 3 and y > 0.5 or vector(0)`,
		`by (a) is dropped (1): max  (x{b="c",d=~"e"}) < 3 and y > 0.5 or vector(0)`,
		`b="c" is dropped (1): max by (a) (x{d=~"e"}) < 3 and y > 0.5 or vector(0)`,
		`d=~"e" is dropped (1): max by (a) (x{b="c"}) < 3 and y > 0.5 or vector(0)`,
		`d=~"e" is negated (1): max by (a) (x{b="c",d!~"e"}) < 3 and y > 0.5 or vector(0)`,
		`< becomes <= (1): max by (a) (x{b="c",d=~"e"}) <= 3 and y > 0.5 or vector(0)`,
		`< becomes > (1): max by (a) (x{b="c",d=~"e"}) > 3 and y > 0.5 or vector(0)`,
		`3 becomes 4 (1): max by (a) (x{b="c",d=~"e"}) < 4 and y > 0.5 or vector(0)`,
		`0.5 becomes 0.45 (1): max by (a) (x{b="c",d=~"e"}) < 3 and y > 0.45 or vector(0)`,
		`and becomes or (1): max by (a) (x{b="c",d=~"e"}) < 3 or y > 0.5 or vector(0)`,
		`and y > 0.5 is dropped (1): max by (a) (x{b="c",d=~"e"}) < 3 or vector(0)`,
		`or vector(0) is dropped (1): max by (a) (x{b="c",d=~"e"}) < 3 and y > 0.5 `,
		`0 becomes 1 (1): max by (a) (x{b="c",d=~"e"}) < 3 and y > 0.5 or vector(1)`,
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no mutant %s\ngot\n%s", want, strings.Join(got, "\n"))
		}
	}
	if all := strings.Join(got, "\n"); strings.Contains(all, "becomes >= (1)") {
		t.Errorf("a fraction is never met:\n%s", all)
	}
	for i, want := range []string{"5000ms", "80000ms"} {
		if m := mutants(r)[len(got)-3+i]; m.rule.For != want {
			t.Errorf("%s: for is %s, want %s", m.name, m.rule.For, want)
		}
	}
	if m := mutants(r)[len(got)-1]; m.rule.Labels["severity"] != "ticket" || r.Labels["severity"] != "page" {
		t.Errorf("%s: %v, and the rule itself %v", m.name, m.rule.Labels, r.Labels)
	}
}
