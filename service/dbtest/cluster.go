// Package dbtest gives tests a real PostgreSQL: a private cluster in a
// temporary folder, started at first use, and a fresh migrated database for
// each test. It is imported by tests and drills only.
package dbtest

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"minitwit/service/freeport"
)

// Cluster is one PostgreSQL server on 127.0.0.1, with data of its own.
type Cluster struct {
	Port int
	dir  string
	bin  string
	cred *syscall.Credential // who runs the server; nil: ourselves
}

// NewCluster makes and starts a server. Settings are lines such as
// "fsync = off", for postgresql.auto.conf.
func NewCluster(settings ...string) (_ *Cluster, err error) {
	c := &Cluster{}
	if c.bin, err = findBinaries(); err != nil {
		return nil, err
	}
	if c.dir, err = os.MkdirTemp("", "minitwit-pg-"); err != nil {
		return nil, fmt.Errorf("dbtest: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(c.dir)
		}
	}()
	if err := c.handOver(); err != nil {
		return nil, err
	}
	if err := c.run("initdb", "-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"); err != nil {
		return nil, err
	}
	// Somebody else may take the port before the server does: then another.
	for range 3 {
		if err = c.configure(settings); err != nil {
			return nil, err
		}
		if err = c.Start(); err == nil {
			return c, nil
		}
	}
	return nil, err
}

// configure picks a port and writes the settings. Ours come last: of two lines with one name
// PostgreSQL takes the second.
func (c *Cluster) configure(settings []string) (err error) {
	if c.Port, err = freePort(); err != nil {
		return err
	}
	lines := append(slices.Clone(settings), "listen_addresses = '127.0.0.1'", "unix_socket_directories = ''",
		"port = "+strconv.Itoa(c.Port), "max_connections = 200", "")
	conf := filepath.Join(c.data(), "postgresql.auto.conf")
	if err := os.WriteFile(conf, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		return fmt.Errorf("dbtest: %w", err)
	}
	return nil
}

// URL names a database of the cluster.
func (c *Cluster) URL(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", c.Port, database)
}

// Start starts the server and waits until it answers. Waiting is pg_ctl's.
func (c *Cluster) Start() error {
	return c.run("pg_ctl", "-D", c.data(), "-l", filepath.Join(c.dir, "log"), "-w", "-t", "60", "start")
}

// Stop ends the server: "fast" as an operator would, "immediate" as a crash.
func (c *Cluster) Stop(mode string) error {
	return c.run("pg_ctl", "-D", c.data(), "-m", mode, "-w", "-t", "60", "stop")
}

// Close ends the server and removes its data.
func (c *Cluster) Close() error {
	return errors.Join(c.Stop("immediate"), os.RemoveAll(c.dir))
}

// PID gives the process id of the server's postmaster.
func (c *Cluster) PID() (int, error) {
	content, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	if err != nil {
		return 0, fmt.Errorf("dbtest: %w", err)
	}
	line, _, _ := bytes.Cut(content, []byte("\n"))
	return strconv.Atoi(string(line))
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// handOver gives the folder to the user "postgres" if we are root, whom
// PostgreSQL refuses to serve.
func (c *Cluster) handOver() error {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return fmt.Errorf("dbtest: PostgreSQL does not run as root: %w", err)
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	c.cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if err := os.Chown(c.dir, int(uid), int(gid)); err != nil {
		return fmt.Errorf("dbtest: %w", err)
	}
	return nil
}

func (c *Cluster) run(program string, args ...string) error {
	cmd := exec.Command(filepath.Join(c.bin, program), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.cred, Setpgid: true}
	cmd.Dir = c.dir
	// A file, not a pipe: the server keeps the descriptor it inherits, and a
	// pipe would make Wait wait for the server's end.
	out, err := os.CreateTemp("", "dbtest-")
	if err != nil {
		return fmt.Errorf("dbtest: %w", err)
	}
	defer func() { _ = out.Close(); _ = os.Remove(out.Name()) }()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(out.Name())
		return fmt.Errorf("dbtest: %s: %w\n%s", program, err, text)
	}
	return nil
}

// findBinaries looks on PATH, then where Debian keeps each version's.
func findBinaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errors.New("dbtest: no PostgreSQL server found: apt-get install postgresql, or put initdb on PATH")
	}
	return filepath.Dir(slices.Max(found)), nil
}

func freePort() (int, error) {
	address, err := freeport.On("127.0.0.1")
	if err != nil {
		return 0, fmt.Errorf("dbtest: %w", err)
	}
	return int(netip.MustParseAddrPort(address).Port()), nil
}
