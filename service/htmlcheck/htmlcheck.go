// Package htmlcheck states in tests what a page must look like: checkers on
// CSS selectors that nest as the page does. It checks documents, not how they
// are drawn.
package htmlcheck

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

// A Checker tells what is wrong below a node, nil if nothing is.
type Checker func(*html.Node) error

// Run parses a document and applies the checkers to it.
func Run(r io.Reader, checkers ...Checker) error {
	doc, err := html.Parse(r)
	if err != nil {
		return fmt.Errorf("parse: %w", err)
	}
	return All(checkers...)(doc)
}

// All applies checkers one after the other, up to the first that complains.
func All(checkers ...Checker) Checker {
	return func(n *html.Node) error {
		for _, check := range checkers {
			if err := check(n); err != nil {
				return err
			}
		}
		return nil
	}
}

// In applies the checkers to the first node that the selector finds; there
// must be one.
func In(selector string, checkers ...Checker) Checker {
	return inside(selector, func(found []*html.Node) error {
		if len(found) == 0 {
			return errors.New("no such element")
		}
		return All(checkers...)(found[0])
	})
}

// Each applies the checkers to every node that the selector finds, if any.
func Each(selector string, checkers ...Checker) Checker {
	return inside(selector, func(found []*html.Node) error {
		for i, n := range found {
			if err := All(checkers...)(n); err != nil {
				return fmt.Errorf("number %d: %w", i+1, err)
			}
		}
		return nil
	})
}

// Count wants the selector to find n nodes.
func Count(selector string, n int) Checker {
	return inside(selector, func(found []*html.Node) error {
		if len(found) != n {
			return fmt.Errorf("found %d times, want %d", len(found), n)
		}
		return nil
	})
}

// NotIn wants the selector to find nothing.
func NotIn(selector string) Checker { return Count(selector, 0) }

// HasText wants the text of the node, white space at its ends removed, to
// match a regular expression.
func HasText(pattern string) Checker {
	re := regexp.MustCompile(pattern)
	return func(n *html.Node) error {
		if text := strings.TrimSpace(Text(n)); !re.MatchString(text) {
			return fmt.Errorf("text %q does not match %q", text, pattern)
		}
		return nil
	}
}

// IsText wants exactly this text, white space included.
func IsText(want string) Checker {
	return func(n *html.Node) error {
		if text := Text(n); text != want {
			return fmt.Errorf("text is %q, want %q", text, want)
		}
		return nil
	}
}

// HasAttr wants the node to have an attribute that matches a regular
// expression.
func HasAttr(name, pattern string) Checker {
	re := regexp.MustCompile(pattern)
	return func(n *html.Node) error {
		value, ok := Attr(n, name)
		if !ok {
			return fmt.Errorf("attribute %s is missing", name)
		}
		if !re.MatchString(value) {
			return fmt.Errorf("attribute %s is %q, does not match %q", name, value, pattern)
		}
		return nil
	}
}

// Attr gives an attribute of a node.
func Attr(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// Text gives the text below a node.
func Text(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var b strings.Builder
	for child := range n.ChildNodes() {
		b.WriteString(Text(child))
	}
	return b.String()
}

// inside names the selector in whatever check complains about. A selector that
// does not parse is a mistake in the test and panics.
func inside(selector string, check func([]*html.Node) error) Checker {
	sel := cascadia.MustCompile(selector)
	return func(n *html.Node) error {
		if err := check(cascadia.QueryAll(n, sel)); err != nil {
			return fmt.Errorf("%s: %w", selector, err)
		}
		return nil
	}
}
