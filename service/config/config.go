// Package config reads the program's settings from environment variables, each
// of which may also be given as NAME_FILE, the path of a file that holds the
// value, as Docker secrets are. It validates all of them at once and never
// shows a secret.
package config

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caarlos0/env/v11"
	"github.com/rs/zerolog"
)

// Config holds every setting. The tag "doc" is what the table in the README
// says of it; "secret" values are masked wherever settings are shown.
type Config struct {
	DatabaseURL         string        `env:"DATABASE_URL" secret:"true" doc:"PostgreSQL connection URL; has to say sslmode=…"`
	DatabasePassword    string        `env:"DATABASE_PASSWORD" secret:"true" doc:"replaces the password of DATABASE_URL"`
	DatabasePool        int           `env:"DATABASE_POOL" envDefault:"8" doc:"connections of one surface of one process (and one more for latest)"`
	DatabaseTimeout     time.Duration `env:"DATABASE_TIMEOUT" envDefault:"900ms" doc:"how long a statement may take, the wait for a connection included; then 503 is answered"`
	DatabaseConnections int           `env:"DATABASE_CONNECTIONS" envDefault:"0" doc:"connections that all replicas together may open, an update included; 0: not checked"`
	SessionKey          string        `env:"SESSION_KEY" secret:"true" doc:"encrypts and signs cookies of the UI, 32 characters or more"`
	SessionKeyPrevious  string        `env:"SESSION_KEY_PREVIOUS" secret:"true" doc:"still accepted while SESSION_KEY is being rotated"`
	PasswordKey         string        `env:"PASSWORD_KEY" secret:"true" doc:"keys the digests of passwords, 32 characters or more; without it nobody can sign in: back it up"`
	PasswordKeyPrevious string        `env:"PASSWORD_KEY_PREVIOUS" secret:"true" doc:"still accepted while PASSWORD_KEY is being rotated"`
	BcryptCost          int           `env:"BCRYPT_COST" envDefault:"10" doc:"logarithm of bcrypt's rounds, 10 to 14"`
	Simulator           string        `env:"SIMULATOR_CREDENTIALS" secret:"true" envDefault:"simulator:super_safe!" doc:"user:password of the simulator; the default is the course's public one"`
	WebAddr             string        `env:"WEB_ADDR" envDefault:":5000" doc:"where the web UI listens"`
	APIAddr             string        `env:"API_ADDR" envDefault:":5001" doc:"where the simulator API listens"`
	OpsAddr             string        `env:"OPS_ADDR" envDefault:":9100" doc:"where health, metrics and pprof listen; never publish it"`
	CookieSecure        bool          `env:"COOKIE_SECURE" envDefault:"false" doc:"send cookies over HTTPS only; set it where TLS ends in front of us"`
	MaxInFlight         int           `env:"MAX_IN_FLIGHT" envDefault:"512" doc:"requests in work on one surface before 503 is answered"`
	Maintenance         bool          `env:"MAINTENANCE" envDefault:"false" doc:"answer 503 with Retry-After to everything but /static/; run.sh maintenance sets it"`
	Drain               time.Duration `env:"DRAIN" envDefault:"5s" doc:"how long requests are still served after SIGTERM, each with Connection: close"`
	DrainMost           time.Duration `env:"DRAIN_MOST" envDefault:"0s" doc:"the limit of a drain, which goes on while new connections still arrive; 0s: not beyond DRAIN"`
	TaskSlot            string        `env:"TASK_SLOT" doc:"which replica of its service this is, for the log and /status; stack.yml sets it"`
	NodeName            string        `env:"NODE_NAME" doc:"the machine that it runs on, for the log and /status; stack.yml sets it"`
	DashboardsURL       string        `env:"DASHBOARDS_URL" doc:"Grafana, a link of /status"`
	PrometheusURL       string        `env:"PROMETHEUS_URL" doc:"a link of /status"`
	AlertmanagerURL     string        `env:"ALERTMANAGER_URL" doc:"a link of /status"`
	RunbooksURL         string        `env:"RUNBOOKS_URL" doc:"where monitoring/runbooks can be read, a link of /status"`
	LogLevel            zerolog.Level `env:"LOG_LEVEL" envDefault:"info" doc:"debug, info, warn or error"`
	LogFormat           string        `env:"LOG_FORMAT" envDefault:"json" doc:"json, or console for people"`
	ServiceName         string        `env:"SERVICE_NAME" envDefault:"minitwit" doc:"who writes the log; on Swarm the service's name"`
	EventLog            string        `env:"EVENT_LOG" doc:"a file that flag writes its line of log to, too; on Swarm the output of the replica that it is run beside"`
}

// Load reads the settings from an environment such as os.Environ. It checks only
// that each value can be read, and its error lists all that cannot; what has to be
// there differs from command to command: CheckDatabase, CheckServe.
func Load(environ []string) (Config, error) {
	vars, err := readFiles(environ)
	if err != nil {
		return Config{}, err
	}
	var c Config
	if err := env.ParseWithOptions(&c, env.Options{Environment: vars}); err != nil {
		return Config{}, parseErrors(err)
	}
	return c, nil
}

// readFiles replaces NAME_FILE by NAME with the file's content, trimmed: most
// editors end a file with a newline that is no part of the secret.
func readFiles(environ []string) (map[string]string, error) {
	vars := env.ToMap(environ)
	var wrong []error
	for _, name := range Names() {
		path, ok := vars[name+"_FILE"]
		if !ok || path == "" {
			continue
		}
		if vars[name] != "" {
			wrong = append(wrong, fmt.Errorf("%s and %s_FILE are both set: give one", name, name))
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s_FILE: %w", name, err))
			continue
		}
		vars[name] = strings.TrimSpace(string(content))
		// Taken for not set, it would mean the default: for the simulator's the public password.
		if vars[name] == "" {
			wrong = append(wrong, fmt.Errorf("%s_FILE: there is nothing in it", name))
		}
	}
	return vars, errors.Join(wrong...)
}

// parseErrors names the variables that could not be read, not the values: one
// of them may be a secret in the wrong place.
func parseErrors(err error) error {
	all, ok := errors.AsType[env.AggregateError](err)
	if !ok {
		return err
	}
	var wrong []error
	for _, e := range all.Errors {
		if p, ok := errors.AsType[env.ParseError](e); ok {
			// The error has the name of the field; people know that of the variable.
			field, _ := reflect.TypeFor[Config]().FieldByName(p.Name)
			wrong = append(wrong, fmt.Errorf("%s is not a valid %s", field.Tag.Get("env"), p.Type))
			continue
		}
		wrong = append(wrong, e)
	}
	return errors.Join(wrong...)
}

// CheckDatabase says what is wrong with the settings that every command with a
// database needs.
func (c Config) CheckDatabase() error {
	u, err := url.Parse(c.DatabaseURL)
	switch {
	case c.DatabaseURL == "":
		return errors.New("DATABASE_URL is not set: postgres://user:password@host:5432/minitwit?sslmode=verify-full")
	case err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql"):
		return errors.New("DATABASE_URL is not a postgres:// URL")
	case !u.Query().Has("sslmode"):
		return errors.New("DATABASE_URL has to say sslmode=verify-full, or sslmode=disable on a private network")
	}
	return nil
}

// CheckServe says everything that is wrong with the settings of serve. Only the
// web UI has sessions: without it their key need not be given.
func (c Config) CheckServe(web bool) error {
	wrong := []error{
		c.CheckDatabase(),
		checkKey("SESSION_KEY", c.SessionKey, web),
		checkKey("SESSION_KEY_PREVIOUS", c.SessionKeyPrevious, false),
		checkKey("PASSWORD_KEY", c.PasswordKey, true),
		checkKey("PASSWORD_KEY_PREVIOUS", c.PasswordKeyPrevious, false),
		checkRange("DATABASE_POOL", c.DatabasePool, 1, 1000),
		checkRange("DATABASE_CONNECTIONS", c.DatabaseConnections, 0, 1_000_000),
		checkRange("BCRYPT_COST", c.BcryptCost, 10, 14),
		checkRange("MAX_IN_FLIGHT", c.MaxInFlight, 1, 1_000_000),
		checkLink("DASHBOARDS_URL", c.DashboardsURL),
		checkLink("PROMETHEUS_URL", c.PrometheusURL),
		checkLink("ALERTMANAGER_URL", c.AlertmanagerURL),
		checkLink("RUNBOOKS_URL", c.RunbooksURL),
	}
	if user, password, _ := strings.Cut(c.Simulator, ":"); user == "" || password == "" {
		wrong = append(wrong, errors.New("SIMULATOR_CREDENTIALS is not of the form user:password"))
	}
	if c.LogFormat != "json" && c.LogFormat != "console" {
		wrong = append(wrong, errors.New("LOG_FORMAT is neither json nor console"))
	}
	if c.DatabaseTimeout < 100*time.Millisecond || c.DatabaseTimeout > time.Minute {
		wrong = append(wrong, errors.New("DATABASE_TIMEOUT is not between 100ms and 1m"))
	}
	if c.Drain < 0 || c.Drain > time.Hour {
		wrong = append(wrong, errors.New("DRAIN is not between 0s and 1h"))
	}
	if c.DrainMost != 0 && c.DrainMost < c.Drain || c.DrainMost > time.Hour {
		wrong = append(wrong, errors.New("DRAIN_MOST is neither 0s nor between DRAIN and 1h"))
	}
	return errors.Join(wrong...)
}

// checkKey refuses a key that is short enough to be guessed. One that is not required may
// be missing.
func checkKey(name, key string, required bool) error {
	switch {
	case key == "" && required:
		return fmt.Errorf("%s is not set: 32 characters or more, for example from: openssl rand -base64 48", name)
	case key != "" && utf8.RuneCountInString(key) < 32:
		return fmt.Errorf("%s is shorter than 32 characters", name)
	}
	return nil
}

// checkLink wants what may be shown: a password in a link would be for all to see.
func checkLink(name, link string) error {
	u, err := url.Parse(link)
	switch {
	case link == "":
		return nil
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return fmt.Errorf("%s is not an http:// or https:// URL", name)
	case u.User != nil:
		return fmt.Errorf("%s holds credentials, and is shown on /status", name)
	}
	return nil
}

func checkRange(name string, value, low, high int) error {
	if value < low || value > high {
		return fmt.Errorf("%s is %d, not between %d and %d", name, value, low, high)
	}
	return nil
}
