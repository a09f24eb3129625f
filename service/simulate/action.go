// Package simulate plays a scenario of users' actions against the simulator
// API, as the course's simulator does, and holds every answer, and afterwards
// the stored data, against a model of what the contract promises.
//
// It is a client and judges a server by the contract alone: it imports nothing
// of the service. It is not a benchmark of the database: its requests come in
// the order and with the dependencies that real users have, one user's actions
// one after another. It must be the only writer of its users' data while it
// runs, and of "latest", or it will blame the server for what others wrote.
package simulate

import (
	"strconv"
	"strings"
)

// Command is what an action does, in the spelling of the scenario.
type Command string

// The commands of a scenario.
const (
	Register Command = "register"
	Tweet    Command = "tweet"
	Follow   Command = "follow"
	Unfollow Command = "unfollow"
)

// Action is one line of a scenario. Which of the last fields are used depends
// on the command.
type Action struct {
	ID          int64 // sent as ?latest=
	DelayMillis int64 // since the action before
	EpochMillis int64 // when it once happened
	Command     Command
	User        string // who acts
	Email       string // register
	Password    string // register
	Text        string // tweet
	Target      string // follow, unfollow
}

// String writes the action as its line in a scenario, without the line break.
func (a Action) String() string {
	fields := []string{
		strconv.FormatInt(a.ID, 10), strconv.FormatInt(a.DelayMillis, 10), strconv.FormatInt(a.EpochMillis, 10),
		string(a.Command), a.User,
	}
	switch a.Command {
	case Register:
		fields = append(fields, a.Email, a.Password)
	case Tweet:
		fields = append(fields, a.Text)
	case Follow, Unfollow:
		fields = append(fields, a.Target)
	}
	return strings.Join(fields, "\t")
}

// withSuffix names other users: the same scenario can so be played again on a
// database that holds it.
func (a Action) withSuffix(suffix string) Action {
	a.User += suffix
	if a.Target != "" {
		a.Target += suffix
	}
	return a
}
