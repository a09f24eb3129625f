package htmlcheck

import (
	"fmt"
	"slices"
	"strings"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

// Accessible wants what people with assistive technology find their way by:
// a language, one h1, landmarks, a way past the navigation, labelled inputs.
func Accessible() Checker {
	return All(
		In("html", HasAttr("lang", "^[a-z]{2}")),
		In("head title", HasText(".")),
		Count("h1", 1),
		Count("header", 1), Count("main", 1), Count("footer", 1), In("nav", HasAttr("aria-label", ".")),
		In("body > a.skip:first-child", HasAttr("href", "^#main$")), In("main#main"),
		Each("img", HasAttr("alt", "")),
		uniqueIDs, labelled, described, oneFocus,
	)
}

// NoInline wants nothing that a strict content security policy would block.
func NoInline() Checker {
	return All(NotIn("style"), NotIn("[style]"), Each("script", HasAttr("src", "^/static/"), IsText("")), noHandlers)
}

// walk visits all nodes below n in the order of the document, up to the first error.
func walk(n *html.Node, visit func(*html.Node) error) error {
	for d := range n.Descendants() {
		if err := visit(d); err != nil {
			return err
		}
	}
	return nil
}

// noHandlers refuses script in attributes: handlers such as onclick, and javascript: URLs.
func noHandlers(n *html.Node) error {
	return walk(n, func(d *html.Node) error {
		for _, a := range d.Attr {
			if strings.HasPrefix(a.Key, "on") || isScriptURL(a) {
				return fmt.Errorf("<%s> has script in its attribute %s=%q", d.Data, a.Key, a.Val)
			}
		}
		return nil
	})
}

// isScriptURL sees through upper case and blanks, as browsers do.
func isScriptURL(a html.Attribute) bool {
	return slices.Contains([]string{"href", "src", "action", "formaction"}, a.Key) &&
		strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:")
}

// uniqueIDs wants each id once: labels and descriptions find their element by it.
func uniqueIDs(n *html.Node) error {
	seen := make(map[string]bool)
	return walk(n, func(d *html.Node) error {
		id, ok := Attr(d, "id")
		if ok && seen[id] {
			return fmt.Errorf("two elements have the id %q", id)
		}
		seen[id] = ok
		return nil
	})
}

// labelled wants a label for each input that people fill in. A submit button's value is its
// label.
func labelled(n *html.Node) error {
	inputs := cascadia.MustCompile("input:not([type=submit]):not([type=hidden]), textarea, select")
	for _, input := range cascadia.QueryAll(n, inputs) {
		id, _ := Attr(input, "id")
		if id == "" || cascadia.Query(n, cascadia.MustCompile(fmt.Sprintf("label[for=%q]", id))) == nil {
			return fmt.Errorf("<%s id=%q> has no label", input.Data, id)
		}
	}
	return nil
}

// described wants whatever explains an element to be there. It knows one id an attribute, and
// no list of them.
func described(n *html.Node) error {
	for _, d := range cascadia.QueryAll(n, cascadia.MustCompile("[aria-describedby]")) {
		id, _ := Attr(d, "aria-describedby")
		if cascadia.Query(n, cascadia.MustCompile("#"+id)) == nil {
			return fmt.Errorf("<%s> is described by #%s, which does not exist", d.Data, id)
		}
	}
	return nil
}

// oneFocus lets one element at most ask for the focus: browsers heed the first, and complain
// of the others.
func oneFocus(n *html.Node) error {
	if found := cascadia.QueryAll(n, cascadia.MustCompile("[autofocus]")); len(found) > 1 {
		return fmt.Errorf("%d elements have autofocus", len(found))
	}
	return nil
}
