package monitoring_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const door = "./scripts/run.sh"

func runbooks(t *testing.T) map[string]string {
	t.Helper()
	found := files(t, "runbooks/*.md")
	delete(found, "README.md")
	return found
}

func TestEachAlertHasARunbookAndEachRunbookAnAlert(t *testing.T) {
	t.Parallel()
	var want []string
	for name := range alerts(t) {
		want = append(want, name+".md")
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(runbooks(t))); !slices.Equal(got, want) {
		t.Errorf("runbooks are\n%v\nalerts are\n%v", got, want)
	}
}

func TestTheIndexOfRunbooksIsWhole(t *testing.T) {
	t.Parallel()
	index := files(t, "runbooks/*.md")["README.md"]
	if !strings.Contains(index, "RESOLVED counts only while the heartbeat lives") {
		t.Error("the index does not warn of a false all-clear")
	}
	for name, a := range alerts(t) {
		if row := fmt.Sprintf("| [%s](%s.md) | %s |", name, name, a.Labels["severity"]); !strings.Contains(index, row) {
			t.Errorf("the index has no row %s", row)
		}
	}
}

var sections = []string{"Meaning", "Impact", "First three commands", "Mitigation", "Verify"}

func TestARunbookIsReadAtThreeInTheMorning(t *testing.T) {
	t.Parallel()
	heading := regexp.MustCompile(`(?m)^## (.+)$`)
	for file, text := range runbooks(t) {
		name := strings.TrimSuffix(file, ".md")
		if !strings.HasPrefix(text, "# "+name+"\n\n") {
			t.Errorf("%s does not begin with its name", file)
		}
		var got []string
		for _, found := range heading.FindAllStringSubmatch(text, -1) {
			got = append(got, found[1])
		}
		if !slices.Equal(got, sections) {
			t.Errorf("%s has sections %q, want %q", file, got, sections)
		}
		if lines := strings.Count(text, "\n"); lines < 15 || lines > 35 {
			t.Errorf("%s has %d lines, want 15 to 35", file, lines)
		}
		if commands := firstCommands(text); len(commands) != 3 {
			t.Errorf("%s begins with the commands %q, want three", file, commands)
		}
	}
}

// firstCommands are the indented lines of their section.
func firstCommands(text string) (commands []string) {
	_, rest, _ := strings.Cut(text, "## First three commands\n")
	section, _, _ := strings.Cut(rest, "\n## ")
	for line := range strings.Lines(section) {
		if command, indented := strings.CutPrefix(line, "    "); indented {
			commands = append(commands, strings.TrimSpace(command))
		}
	}
	return commands
}

func TestARunbookSaysItsSeverityAndItsLabels(t *testing.T) {
	t.Parallel()
	kinds := map[string]string{"page": "Page", "ticket": "Ticket", "heartbeat": "Heartbeat"}
	for name, a := range alerts(t) {
		text := runbooks(t)[name+".md"]
		_, text, _ = strings.Cut(text, "\n\n")
		if !strings.HasPrefix(text, kinds[a.Labels["severity"]]) {
			t.Errorf("%s.md does not begin with its severity, %s", name, a.Labels["severity"])
		}
		head, _, _ := strings.Cut(text, "\n\n")
		for _, found := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(a.Annotations["summary"], -1) {
			if !strings.Contains(head, "`"+found[1]+"`") {
				t.Errorf("%s.md does not name the label %s", name, found[1])
			}
		}
	}
}

// verbs reads the table of run.sh.
func verbs(t *testing.T) (all []string) {
	t.Helper()
	content, err := os.ReadFile("../scripts/run.sh")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(content), "\nVERBS='")
	table, _, found := strings.Cut(table, "'\n")
	if !found {
		t.Fatal("run.sh has no table of verbs")
	}
	for line := range strings.SplitSeq(table, "\n") {
		columns := strings.SplitN(line, "|", 4)
		all = append(all, columns[0], columns[1])
	}
	return all
}

// The second word of a command has to stand in the verb's help, unless it is an option or
// somebody's own.
func TestEveryVerbInARunbookExists(t *testing.T) {
	t.Parallel()
	known, used := verbs(t), map[string]bool{}
	command := regexp.MustCompile(regexp.QuoteMeta(door) + ` ([a-z-]+)(?: ([a-z]\S*[a-z]))?`)
	for file, text := range files(t, "runbooks/*.md") {
		for _, found := range command.FindAllStringSubmatch(text, -1) {
			verb, sub := found[1], found[2]
			if !slices.Contains(known, verb) {
				t.Errorf("%s: %s has no verb %q", file, door, verb)
			} else if sub != "" {
				used[verb+" "+sub] = true
			}
		}
	}
	if len(used) == 0 {
		t.Error("no runbook names a verb with a second word: is this test blind?")
	}
	for both := range used {
		verb, sub, _ := strings.Cut(both, " ")
		cmd := exec.CommandContext(t.Context(), "bash", "scripts/run.sh", verb, "-h")
		cmd.Dir = ".."
		help, err := cmd.CombinedOutput()
		if err != nil || !regexp.MustCompile(`(?m)^  (?:.*[ ·|])?`+regexp.QuoteMeta(sub)+`\b`).Match(help) {
			t.Errorf("%s %s: %v; its help does not have %q:\n%s", door, verb, err, sub, help)
		}
	}
}

// The rest of the commands can be tried nowhere but on a Swarm. They begin with a program
// that a manager or an operator has.
func TestTheFirstCommandsBeginWithWhatIsThere(t *testing.T) {
	t.Parallel()
	programs := []string{door, "docker", "curl", "psql", "ssh", "ping", "journalctl", "echo", "promtool", "amtool"}
	for file, text := range runbooks(t) {
		for _, command := range firstCommands(text) {
			if program, _, _ := strings.Cut(command, " "); !slices.Contains(programs, program) {
				t.Errorf("%s begins with %q", file, command)
			}
		}
	}
}

func TestLinksOfRunbooksLead(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#]+)(?:#([^)]+))?\)`)
	for file, text := range files(t, "runbooks/*.md") {
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			content, err := os.ReadFile(filepath.Join("runbooks", found[1]))
			if err != nil {
				t.Errorf("%s: %v", file, err)
			} else if found[2] != "" && !slices.Contains(anchors(string(content)), found[2]) {
				t.Errorf("%s: %s has no heading #%s", file, found[1], found[2])
			}
		}
	}
}

// anchors are what forges make of a page's headings.
func anchors(page string) (all []string) {
	for _, found := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(page, -1) {
		plain := regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(found[1]), "")
		all = append(all, strings.ReplaceAll(plain, " ", "-"))
	}
	return all
}
