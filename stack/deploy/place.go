package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// place is where a release runs: its settings, its secrets' files and its managers. It is a
// folder outside of every clone, so that a clone can be thrown away.
type place struct {
	name, dir string
	repo      string            // whose stack.yml is used
	settings  map[string]string // of place.env, and what follows from it
}

// settingsFile is the one in a place's folder.
const settingsFile = "place.env"

// secretFiles are the names that the files of secrets have unless place.env says otherwise.
var secretFiles = map[string]string{
	"DATABASE_URL_FILE": "database.url", "PASSWORD_KEY_FILE": "password.key", "PASSWORD_KEY_PREVIOUS_FILE": "password.key.previous",
	"SESSION_KEY_FILE": "session.key", "SESSION_KEY_PREVIOUS_FILE": "session.key.previous",
	"SIMULATOR_CREDENTIALS_FILE": "simulator.credentials", "DATABASE_CA_FILE": "database-ca.pem",
}

// readPlace reads a folder. It fails with everything that is wrong at once.
// More settings, NAME=VALUE, stand above those of the file.
func readPlace(repo, dir, name string, more []string) (place, error) {
	p := place{name: name, dir: dir, repo: repo}
	content, err := os.ReadFile(filepath.Join(dir, settingsFile))
	if err != nil {
		return p, fmt.Errorf("no place %q: %w; make one: ./scripts/run.sh config init %s", name, err, name)
	}
	if p.settings, err = parseSettings(string(content)); err != nil {
		return p, fmt.Errorf("%s: %w", filepath.Join(dir, settingsFile), err)
	}
	extra, err := parseSettings(strings.Join(more, "\n"))
	// Before the secrets are looked for, since --set may name another file.
	maps.Copy(p.settings, extra)
	return p, errors.Join(err, p.checkManagers(), p.checkOverlays(), p.findSecrets(), p.hashConfigs(), p.checkNumbers())
}

// What config init writes where something has to be filled in (scripts/lib/deploy.sh).
const (
	exampleManager  = "ssh://root@HOST"
	exampleDatabase = "PASSWORD@HOST:"
)

func (p place) checkManagers() error {
	if m := p.settings["MANAGERS"]; slices.Contains(strings.Fields(m), exampleManager) {
		return fmt.Errorf("MANAGERS is %q: write the address of a manager instead of HOST", m)
	}
	return nil
}

// checkOverlays refuses a place of which nobody has said what stands on top of stack.yml: without
// production.yml the API takes the public credentials, and cookies go over plain HTTP. OVERLAYS
// with nothing behind it says that nothing does.
func (p place) checkOverlays() error {
	_, said := p.settings["OVERLAYS"]
	if overlay := p.overlay(); !said && !exists(filepath.Join(p.repo, overlay)) {
		return fmt.Errorf("there is no %s: say in place.env what stands on top of stack.yml, such as OVERLAYS=stack/production.yml", overlay)
	}
	return nil
}

func (p place) overlay() string { return filepath.Join("stack", p.name+".yml") }

// parseSettings reads lines NAME=value. It is no shell: nothing is expanded, and quotes
// belong to the value only in pairs.
func parseSettings(text string) (map[string]string, error) {
	settings, wrong := map[string]string{}, []error(nil)
	scanner := bufio.NewScanner(strings.NewReader(text))
	for line := 1; scanner.Scan(); line++ {
		s := strings.TrimSpace(scanner.Text())
		if s == "" || strings.HasPrefix(s, "#") {
			continue
		}
		name, value, ok := strings.Cut(s, "=")
		if !ok || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") != "" || name == "" {
			wrong = append(wrong, fmt.Errorf("line %d is not NAME=value", line))
			continue
		}
		if n := len(value); n >= 2 && value[0] == value[n-1] && strings.ContainsRune(`"'`, rune(value[0])) {
			value = value[1 : n-1]
		}
		settings[name] = value
	}
	return settings, errors.Join(append(wrong, scanner.Err())...)
}

// findSecrets fills in the files that lie in the folder, and the SHA-256 that the
// secrets' names end in. Any NAME_FILE is taken for a secret's, also of a name that only an
// overlay knows.
func (p place) findSecrets() error {
	for name, file := range secretFiles {
		if p.settings[name] == "" && exists(filepath.Join(p.dir, file)) {
			p.settings[name] = file
		}
	}
	for _, key := range []string{"PASSWORD_KEY", "SESSION_KEY"} {
		if p.settings[key+"_PREVIOUS_FILE"] == "" { // no rotation under way
			p.settings[key+"_PREVIOUS_FILE"] = p.settings[key+"_FILE"]
		}
	}
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(p.settings)) {
		variable, isFile := strings.CutSuffix(name, "_FILE")
		if !isFile || p.settings[name] == "" {
			continue
		}
		path := p.settings[name]
		if !filepath.IsAbs(path) {
			path = filepath.Join(p.dir, path)
		}
		sha, err := secretSHA(path)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
		}
		p.settings[name], p.settings[variable+"_SHA"] = path, sha
	}
	return errors.Join(wrong...)
}

// hashConfigs sets the hash that ends the name of a config whose file is the clone's. Kept in
// place.env it would be that of an older clone, which Swarm refuses in the middle of a deploy.
func (p place) hashConfigs() error {
	content, err := os.ReadFile(filepath.Join(p.repo, "stack/edge/haproxy.cfg"))
	p.settings["HAPROXY_CFG_SHA"] = shortSHA(content)
	return err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// secretSHA gives what ends a secret's name. It refuses a file that others may read. It is 12 hex
// digits, as by hand in README, or else each deploy after one by hand would make all secrets anew.
func secretSHA(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s can be read by others: chmod 600 %s", path, path)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if len(strings.TrimSpace(string(content))) == 0 {
		return "", fmt.Errorf("%s is empty", path)
	}
	if strings.Contains(string(content), exampleDatabase) {
		return "", fmt.Errorf("%s is the example that config init wrote: fill it in", path)
	}
	return shortSHA(content), nil
}

func shortSHA(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])[:12]
}

// Seconds that a place may set, and their defaults, which are right for real machines.
var secondsSettings = map[string]int{
	"SOAK_SECONDS":  60,  // of comparing the new release with the old one, beside it and then in its place
	"STALL_SECONDS": 120, // without any task's progress
	"ROOM_SECONDS":  60,  // that a task may wait for room
}

// seconds gives one of them, its default where it is not set. checkNumbers has refused whatever
// is no number.
func (p place) seconds(name string) time.Duration {
	n, err := strconv.Atoi(p.settings[name])
	if err != nil {
		n = secondsSettings[name]
	}
	return time.Duration(n) * time.Second
}

func (p place) checkNumbers() error {
	var wrong []error
	for _, name := range []string{"SOAK_SECONDS", "STALL_SECONDS", "ROOM_SECONDS", "API_PORT", "WEB_PORT", "DATABASE_POOL", "API_REPLICAS", "WEB_REPLICAS"} {
		if text := p.settings[name]; text != "" {
			if n, err := strconv.Atoi(text); err != nil || n < 1 {
				wrong = append(wrong, fmt.Errorf("%s is %q, not a number above 0", name, text))
			}
		}
	}
	return errors.Join(wrong...)
}

func (p place) number(name string, fallback int) int {
	if n, err := strconv.Atoi(p.settings[name]); err == nil {
		return n
	}
	return fallback
}

func (p place) text(name, fallback string) string {
	if s := p.settings[name]; s != "" {
		return s
	}
	return fallback
}

func (p place) stack() string { return p.text("STACK", "minitwit") }

// called is the place's name in records: the folder's, unless that was renamed.
func (p place) called() string { return p.text("PLACE", p.name) }

// managers are the engines that are asked, in this order.
func (p place) managers() []string {
	return strings.Fields(p.text("MANAGERS", p.text("DOCKER_HOST", "unix:///var/run/docker.sock")))
}

// files are the stack's, the place's own overlay last.
func (p place) files() (files []string) {
	overlays, said := p.settings["OVERLAYS"]
	if !said {
		overlays = p.overlay()
	}
	for _, f := range append([]string{"stack.yml"}, strings.Fields(overlays)...) {
		if !filepath.IsAbs(f) {
			f = filepath.Join(p.repo, f)
		}
		files = append(files, f)
	}
	return files
}

// environment is what docker stack fills in. Nothing of the caller's own comes in but
// what the CLI itself needs: a place is what its folder says.
func (p place) environment(more map[string]string) (env []string) {
	for _, name := range []string{"PATH", "HOME", "USER", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	all := maps.Clone(p.settings)
	maps.Copy(all, more)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		env = append(env, name+"="+all[name])
	}
	return env
}
