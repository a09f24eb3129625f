package stack

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/docker/cli/cli/compose/types"

	"minitwit/service/config"
)

// tooFewConnections holds DATABASE_CONNECTIONS of each service against what all of
// them together may open in an update.
func tooFewConnections(services []types.ServiceConfig) (found []string) {
	sum := 0
	for _, s := range services {
		if ours(s) {
			sum += tasksAtOnce(s) * connectionsOf(s)
		}
	}
	for _, s := range services {
		if planned := setting(s, "DATABASE_CONNECTIONS"); ours(s) && planned < sum {
			found = append(found, fmt.Sprintf("%s: environment.DATABASE_CONNECTIONS: %d, but %d may be opened in an update", s.Name, planned, sum))
		}
	}
	return found
}

// ours says whether a service runs our program, which serves also if it is not
// told to.
func ours(s types.ServiceConfig) bool {
	if len(s.Command) == 0 {
		return s.Environment["DATABASE_URL_FILE"] != nil
	}
	return s.Command[0] == "serve"
}

// tasksAtOnce gives how many tasks may have connections: an update goes on while
// the old tasks still drain, so that all of the old and all of the new may be there.
func tasksAtOnce(s types.ServiceConfig) int {
	if s.Deploy.Replicas == nil {
		return 2
	}
	return 2 * int(*s.Deploy.Replicas)
}

// connectionsOf one task: a pool for each surface, and one more for the API's latest.
func connectionsOf(s types.ServiceConfig) int {
	pool := setting(s, "DATABASE_POOL")
	switch {
	case slices.Contains(s.Command, "api"):
		return pool + 1
	case slices.Contains(s.Command, "web"):
		return pool
	}
	return 2*pool + 1
}

// setting gives a number that the service sets, or the program's default.
func setting(s types.ServiceConfig, name string) int {
	value := ""
	for _, known := range config.Settings() {
		if known.Name == name {
			value = known.Default
		}
	}
	if set := s.Environment[name]; set != nil {
		value = *set
	}
	number, _ := strconv.Atoi(value)
	return number
}

// The pool may be set by a place, and then the sum has to follow.
func TestAPlaceWithALargerPoolNeedsMoreConnections(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ pool, connections, want string }{
		{"", "", ""},
		{"4", "53", "53, but 54"},
		{"8", "", "54, but 102"},
		{"8", "102", ""},
		{"2", "30", ""},
	} {
		env := place()
		env["DATABASE_POOL"], env["DATABASE_CONNECTIONS"] = c.pool, c.connections
		config, dicts, err := parse(env, stackYML(t))
		if err != nil {
			t.Fatal(err)
		}
		found := strings.Join(lint(config, dicts), "\n")
		if (found == "") != (c.want == "") || !strings.Contains(found, c.want) {
			t.Errorf("DATABASE_POOL=%s DATABASE_CONNECTIONS=%s: lint finds %q, want %q", c.pool, c.connections, found, c.want)
		}
	}
}
