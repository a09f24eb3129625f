// Package migrations embeds the schema's history. It holds SQL files only; the
// store (service/postgres) runs them.
package migrations

import "embed"

// FS holds NNNNN_verb_noun.sql files in goose's format.
//
//go:embed *.sql
var FS embed.FS
