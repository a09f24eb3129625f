package simulate

import (
	"slices"
	"strings"
)

// maxNames is how many different names makeNames can give.
const maxNames = 1000

// writer invents texts. All phrases are ours; no book was copied.
type writer struct{ random random }

// oddNames make the paths of requests hard: whatever may be registered may be
// asked for.
func oddNames() []string {
	return []string{
		"Åse Ørnfeldt", "Zoë D’Angelo", "Nuala O'Dowd", "Ana-María Peña Ruiz", "Ruta + Jonas", "Salt & Smoke",
		"Half 50% Price", "王 小明", "who?", "C# Minor", "semi;colon=x",
	}
}

// makeNames gives n different names, the odd ones spread among the plain.
func makeNames(r random, n int) []string {
	odd := oddNames()
	seen := map[string]bool{}
	names := make([]string, 0, n)
	for len(names) < n {
		name := pick(r, firstNames()) + " " + pick(r, lastNames())
		if i := len(names) / 9; len(names)%9 == 4 && i < len(odd) {
			name = odd[i]
		}
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// password has 5 to 10 of the printable ASCII characters, quotes, brackets and
// backslashes among them. The space does not stand at an end, where forms may
// trim it.
func (w writer) password() string {
	const printable = `!"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_` + "`abcdefghijklmnopqrstuvwxyz{|}~"
	b := make([]byte, 5+w.random.below(6))
	for i := range b {
		b[i] = pick(w.random, []byte(printable))
	}
	if w.random.oneIn(10) {
		b[len(b)/2] = ' '
	}
	return string(b)
}

// tweet is a sentence or two; a third hold more than ASCII.
func (w writer) tweet() string {
	s := w.sentence()
	switch n := w.random.below(100); {
	case n < 15:
		return "“" + s + "”"
	case n < 20:
		return "“" + strings.TrimSuffix(s, ".") + ",” " + pick(w.random, speakers()) + "."
	case n < 24:
		return pick(w.random, foreign())
	case n < 26:
		return s + " " + pick(w.random, emoji())
	case n < 27: // what a careless page or query would trip over
		return pick(w.random, traps()) + " " + s
	case n < 28: // said often, by many: stored every time
		return "Good morning."
	case n < 36:
		return s + " " + w.sentence()
	}
	return s
}

// essay is a tweet of about 10 KB.
func (w writer) essay() string {
	var b strings.Builder
	for b.Len() < 10_000 {
		b.WriteString(w.sentence())
		b.WriteByte(' ')
	}
	b.WriteString(pick(w.random, foreign()))
	return b.String()
}

func (w writer) sentence() string {
	parts := []string{pick(w.random, subjects()), pick(w.random, verbs()), pick(w.random, objects())}
	if !w.random.oneIn(3) {
		parts = append(parts, pick(w.random, places()))
	}
	end := "."
	if w.random.oneIn(3) {
		parts = slices.Insert(parts, 0, pick(w.random, openings()))
	}
	if w.random.oneIn(12) {
		end = pick(w.random, []string{"!", "?", "…", " — or so I’m told."})
	}
	text := strings.Join(parts, " ") + end
	// All beginnings are ASCII, so the first letter is one byte.
	return strings.ToUpper(text[:1]) + text[1:]
}
