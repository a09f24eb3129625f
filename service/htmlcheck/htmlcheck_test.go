package htmlcheck_test

import (
	"strings"
	"testing"

	check "minitwit/service/htmlcheck"
)

const document = `<!doctype html><html lang="en"><head><title>T</title><script src="/static/app.js"></script></head><body>
<a class="skip" href="#main">Skip</a><header><nav aria-label="Site"></nav></header>
<main id="main"><h1>One &amp; only</h1><ul><li class="a">x</li><li class="a">y</li></ul>
<label for="i">I</label><input id="i" aria-describedby="e"><p id="e">wrong</p></main><footer></footer></body></html>`

func TestCheckers(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		check check.Checker
		want  string // part of the complaint, "" if there is none
	}{
		{"In", check.In("main", check.In("li.a", check.IsText("x"))), ""},
		{"In", check.In("main li", check.IsText("y")), `main li: text is "x", want "y"`},
		{"In", check.In("aside"), "aside: no such element"},
		{"NotIn", check.NotIn("aside"), ""},
		{"NotIn", check.NotIn("li"), "li: found 2 times, want 0"},
		{"Count", check.Count("li", 2), ""},
		{"Each", check.Each("li", check.HasText("^x$")), `li: number 2: text "y"`},
		{"HasText", check.In("h1", check.HasText("^One & only$")), ""},
		{"HasAttr", check.In("html", check.HasAttr("lang", "^de$")), `attribute lang is "en"`},
		{"HasAttr", check.In("li", check.HasAttr("id", ".")), "attribute id is missing"},
		{"Accessible", check.Accessible(), ""},
		{"NoInline", check.NoInline(), ""},
	}
	for _, tc := range cases {
		err := check.Run(strings.NewReader(document), tc.check)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: Run = %v, want %q", tc.name, err, tc.want)
		}
	}
}

func TestPageCheckersFindEachFault(t *testing.T) {
	t.Parallel()
	cases := []struct{ old, new, want string }{
		{` lang="en"`, ``, "lang"},
		{`<h1>`, `<h1></h1><h1>`, "h1"},
		{`<footer></footer>`, ``, "footer"},
		{`href="#main"`, `href="#content"`, "skip"},
		{`id="e"`, `id="i"`, "two elements"},
		{`<p id="e">`, `<p>`, "does not exist"},
		{`for="i"`, `for="j"`, "no label"},
		{`<h1>`, `<h1 autofocus><i autofocus></i>`, "autofocus"},
		{`<h1>`, `<h1 style="color:red">`, "style"},
		{`<h1>`, `<h1 onclick="x()">`, "onclick"},
		{`#main`, `JavaScript:x()`, "href"},
		{`<script src="/static/app.js">`, `<script>x()`, "src"},
		{`<script src="/static/app.js">`, `<script src="//elsewhere">`, "src"},
	}
	for _, tc := range cases {
		faulty := strings.Replace(document, tc.old, tc.new, 1)
		err := check.Run(strings.NewReader(faulty), check.NoInline(), check.Accessible())
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("with %q for %q: Run = %v, want a complaint about %q", tc.new, tc.old, err, tc.want)
		}
	}
}
