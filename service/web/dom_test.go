package web_test

import (
	"strings"
	"testing"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"

	check "minitwit/service/htmlcheck"
)

func queryAll(t testing.TB, body, selector string) []*html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return cascadia.QueryAll(doc, cascadia.MustCompile(selector))
}

// firstAttr gives an attribute of the first element that the selector finds.
func firstAttr(t testing.TB, body, selector, attr string) string {
	t.Helper()
	found := queryAll(t, body, selector)
	if len(found) == 0 {
		t.Fatalf("no %s in\n%s", selector, body)
	}
	value, ok := check.Attr(found[0], attr)
	if !ok {
		t.Fatalf("%s has no attribute %s", selector, attr)
	}
	return value
}
