package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/rs/zerolog"

	"minitwit/service/config"
	"minitwit/service/minitwit"
	"minitwit/service/postgres"
)

// flagCommand is the moderator's tool. On Swarm it is run beside a replica, by docker exec,
// and has that replica's settings.
func flagCommand(ctx context.Context, args []string, std stdio) error {
	flags := newFlags(std, "flag [--undo] ID… | --list", `
Hides the messages of those ids from all lists; --undo shows them again. --list
prints the newest messages with their ids. Needs DATABASE_URL.`)
	undo := flags.Bool("undo", false, "show the messages again")
	list := flags.Bool("list", false, "print the newest messages and their ids")
	if err := parse(flags, args); err != nil {
		return err
	}
	ids, err := parseIDs(flags.Args())
	if err != nil || (len(ids) == 0) != *list { // either ids or --list
		if err != nil {
			fmt.Fprintln(std.Err, "minitwit:", err)
		}
		flags.Usage()
		return errUsage
	}
	cfg, err := loadDatabaseConfig(std)
	if err != nil {
		return err
	}
	store, err := openPatient(cfg)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	if *list {
		return listMessages(ctx, store, std.Out)
	}
	return setFlagged(ctx, store, ids, !*undo, std.Out, newEventLogger(cfg, std))
}

// newEventLogger logs for the one who runs the tool and, where EVENT_LOG says so, to
// the log of a replica: of what runs beside it by docker exec Docker keeps nothing.
func newEventLogger(cfg config.Config, std stdio) zerolog.Logger {
	log := newLogger(cfg, std)
	if cfg.EventLog == "" {
		return log
	}
	file, err := os.OpenFile(cfg.EventLog, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		// No reason to stop: the message is hidden all the same, and the event told here.
		log.Warn().Err(err).Msg("this is not in the log of the replica")
		return log
	}
	// Both get JSON, which is what the collector of the replica's lines reads. The file is left
	// open: the process is about to end.
	cfg.LogFormat = "json"
	std.Err = io.MultiWriter(std.Err, file)
	return newLogger(cfg, std)
}

// parseIDs gives each ID once, so that setFlagged can tell by their number whether all exist.
func parseIDs(args []string) ([]int64, error) {
	var ids []int64
	for _, arg := range args {
		id, err := strconv.ParseInt(arg, 10, 64)
		if err != nil || id < 1 {
			return nil, fmt.Errorf("%q is not a message id", arg)
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// listMessages prints the newest page of the public timeline: ID, author and quoted text with
// tabs between them. What is hidden is not in it; its ID stands in the event in the log.
func listMessages(ctx context.Context, store *postgres.Store, out io.Writer) error {
	page, err := store.PublicTimeline(ctx, minitwit.Window{})
	for _, m := range page.Messages {
		fmt.Fprintf(out, "%d\t%s\t%q\n", m.ID, m.Author, m.Text)
	}
	return err
}

// setFlagged hides or shows all messages in one statement and logs that as an event. IDs that
// do not exist are an error, and exit 1, but only after the others were changed.
func setFlagged(ctx context.Context, store *postgres.Store, ids []int64, flagged bool, out io.Writer, log zerolog.Logger) error {
	n, err := store.SetFlagged(ctx, ids, flagged)
	if err != nil {
		return err
	}
	event := map[bool]string{true: "message_flagged", false: "message_unflagged"}[flagged]
	log.Warn().Str("event", event).Ints64("ids", ids).Int64("messages", n).Msg("flag")
	state := map[bool]string{true: "hidden", false: "shown again"}[flagged]
	fmt.Fprintf(out, "%d of %d messages %s\n", n, len(ids), state)
	if n < int64(len(ids)) {
		return fmt.Errorf("%d of the ids are unknown", int64(len(ids))-n)
	}
	return nil
}
