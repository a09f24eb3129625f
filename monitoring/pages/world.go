package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"minitwit/service/dbtest"
)

// world is a whole installation on this machine: the product, its database, and
// everything that watches them. What only a Swarm has is played: the mesh, the
// supervisor of the replicas, the manager's API.
type world struct {
	repo     string // whose configuration is used
	dir      string // of this run: logs, data, files of targets
	bin      map[string]string
	pg       *dbtest.Cluster
	replicas *replicas
	mesh     map[string]*mesh // by service
	manager  *manager
	sink     *sink
	load     *load
	addr     map[string]string // "prometheus.1" → 127.0.0.1:port
	programs map[string]*process
	slack    slack
	helper   func() // ends what the present fault goes on with; nil: nothing
	closers  []func()

	// telling lets one write the files of targets at a time: whoever watches the replicas, and
	// the faults. It also guards site.
	telling sync.Mutex
	site    string // 127.0.0.1:port of what serves TLS, or ""
}

// watchers are the programs that watch, without the deadman, which stands outside: renew
// starts all of these anew before each fault, and the deadman goes on.
var watchers = []string{
	"prometheus.1", "prometheus.2", "alertmanager.1", "alertmanager.2",
	"blackbox.1", "node.1", "node.2", "node.3", "postgres.1", "exporter.1", "canary.1",
}

// database is the product's own.
const database = "minitwit"

// newWorld makes an installation and starts it. Close ends it, also after an error. Each step
// needs those before it: replicas the database's URL, the mesh the replicas, command lines
// all addresses. What watches is made here, and started by startWatchers.
func newWorld(ctx context.Context, repo, dir string, bin map[string]string) (*world, error) {
	w := &world{
		repo: repo, dir: dir, bin: bin, addr: map[string]string{}, programs: map[string]*process{},
		mesh: map[string]*mesh{}, sink: &sink{}, slack: 1,
	}
	for _, start := range []func(context.Context) error{
		w.startDatabase, w.startReplicas, w.startMesh, w.startServers, w.makeWatchers,
		func(context.Context) error { return w.programs["deadman"].start() },
	} {
		if err := start(ctx); err != nil {
			return w, err
		}
	}
	return w, nil
}

func (w *world) close() {
	for _, p := range w.programs {
		p.stop()
	}
	// The database, which was first, is the last to end.
	for _, end := range slices.Backward(w.closers) {
		end()
	}
}

func (w *world) startDatabase(ctx context.Context) (err error) {
	// It ends with the drill, so nothing has to reach the disk.
	if w.pg, err = dbtest.NewCluster("fsync = off"); err != nil {
		return err
	}
	w.closers = append(w.closers, func() { _ = w.pg.Close() })
	return errors.Join(w.sql(ctx, w.pg.URL("postgres"), "CREATE DATABASE "+database), w.migrate(ctx))
}

func (w *world) migrate(ctx context.Context) error {
	p := &process{name: "migrate", dir: w.dir, argv: []string{w.bin["minitwit"], "migrate", "up"}, env: w.settings()}
	if err := p.start(); err != nil {
		return err
	}
	select {
	case <-p.exited:
		if !p.cmd.ProcessState.Success() {
			return fmt.Errorf("minitwit migrate up: %v; its log is migrate.log", p.cmd.ProcessState)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settings are the replicas' environment, as in stack.yml but for a shorter drain.
// MemoryNearLimit divides by GOMEMLIMIT, and a dashboard shows the planned connections:
// without the two settings there is neither figure.
func (w *world) settings() []string {
	key := strings.Repeat("drill-key-", 5)
	return []string{
		"DATABASE_URL=" + w.pg.URL(database), "PASSWORD_KEY=" + key, "SESSION_KEY=" + key,
		"DATABASE_POOL=4", "DATABASE_CONNECTIONS=54", "GOMEMLIMIT=150MiB", "DRAIN=1s",
	}
}

func (w *world) startReplicas(context.Context) error {
	w.replicas = &replicas{base: w.settings(), bin: w.bin["minitwit"], told: func() { _ = w.tell() }}
	for _, service := range services {
		for slot := 1; slot <= len(nodes); slot++ {
			if err := w.replicas.add(service, slot, w.dir); err != nil {
				return err
			}
		}
	}
	for _, r := range w.replicas.all {
		w.programs[r.process.name] = r.process
		if err := r.process.start(); err != nil {
			return err
		}
	}
	// Made, not started: that is for five-days.
	alone, err := w.replicas.addAlone(w.bin["faults"], w.dir)
	if err != nil {
		return err
	}
	w.programs["alone"] = alone
	return nil
}

func (w *world) startMesh(context.Context) error {
	for _, service := range services {
		w.mesh[service] = newMesh(func() []string { return w.replicas.targets(service, false) })
		for _, node := range nodes {
			if err := w.mesh[service].open(node); err != nil {
				return err
			}
		}
	}
	return nil
}

// startServers starts what runs within this process.
func (w *world) startServers(context.Context) error {
	// An hour ago, so that nothing looks as if it had just been deployed.
	w.manager = &manager{replicas: w.replicas, began: time.Now().Add(-time.Hour)}
	for name, handler := range map[string]http.Handler{"manager": w.manager, "sink": w.sink} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
		go func() { _ = server.Serve(l) }()
		w.addr[name] = l.Addr().String()
		w.closers = append(w.closers, func() { _ = server.Close() })
	}
	return nil
}

// makeWatchers gives every program its address and its command line.
func (w *world) makeWatchers(context.Context) error {
	// By cluster.1 and cluster.2 the two Alertmanagers find each other.
	names := append(slices.Clone(watchers), "deadman", "cluster.1", "cluster.2")
	addresses, err := freeAddresses(len(names))
	if err != nil {
		return err
	}
	for i, name := range names {
		w.addr[name] = addresses[i]
	}
	if err := os.Mkdir(filepath.Join(w.dir, "textfile"), 0o700); err != nil {
		return err
	}
	for _, name := range append(slices.Clone(watchers), "deadman") {
		p := &process{name: name, dir: w.dir}
		p.argv, p.env = w.commandLine(name)
		w.programs[name] = p
	}
	return errors.Join(w.alertmanagerConfig(filepath.Join(w.dir, "alertmanager.yml")),
		w.prometheusConfig(filepath.Join(w.dir, "prometheus.yml")), w.writeBackupTime(time.Now()))
}

// commandLine follows stack/monitoring.yml, with Debian's programs and addresses of this
// machine.
func (w *world) commandLine(name string) (argv, env []string) {
	listen, file := "--web.listen-address="+w.addr[name], func(n string) string { return filepath.Join(w.dir, n) }
	kind, number, _ := strings.Cut(name, ".")
	switch kind {
	case "prometheus":
		return []string{
			"prometheus", listen, "--config.file=" + file("prometheus.yml"), "--storage.tsdb.path=" + file(name),
			"--rules.alert.resend-delay=5s", "--rules.alert.for-grace-period=5s", "--enable-feature=expand-external-labels", "--log.level=warn",
		}, []string{"PLACE=drill", "RUNBOOKS_URL=https://runbooks.example", "DASHBOARDS_URL=https://dashboards.example"}
	case "alertmanager":
		return []string{
			"prometheus-alertmanager", listen, "--config.file=" + file("alertmanager.yml"), "--storage.path=" + file(name),
			"--cluster.listen-address=" + w.addr["cluster."+number], "--cluster.peer=" + w.addr["cluster.1"], "--cluster.peer=" + w.addr["cluster.2"], "--cluster.peer-timeout=5s",
		}, nil
	case "blackbox":
		return []string{"prometheus-blackbox-exporter", listen, "--config.file=" + filepath.Join(w.repo, "monitoring/blackbox/blackbox.yml")},
			[]string{"SSL_CERT_FILE=" + w.trusted()}
	case "node":
		return []string{"prometheus-node-exporter", listen, "--collector.textfile.directory=" + file("textfile")}, nil
	case "postgres":
		return []string{"prometheus-postgres-exporter", listen}, []string{"DATA_SOURCE_NAME=" + w.pg.URL(database)}
	case "exporter":
		return []string{w.bin["swarm-exporter"], "-listen", w.addr[name], "-docker", "tcp://" + w.addr["manager"]}, nil
	case "canary":
		return []string{
			// By n1, which no fault takes away: node-lost takes n3.
			w.bin["minitwit"], "canary", "--api", "http://" + w.mesh["api"].address("n1"), "--web", "http://" + w.mesh["web"].address("n1"), "--every", "15s",
		}, []string{"OPS_ADDR=" + w.addr[name]}
	default:
		return []string{w.bin["minitwit"], "deadman", "--place", "drill", "--addr", w.addr[name], "--page-url", "http://" + w.addr["sink"] + "/deadman"}, nil
	}
}

// trusted is a file of certificates, there once something serves TLS. Go reads it only once,
// when a program first looks at a certificate; blackbox is started anew before each fault.
func (w *world) trusted() string { return filepath.Join(w.dir, "trusted.pem") }

// addresses gives those of all programs of a kind.
func (w *world) addresses(kind string) (found []string) {
	for _, name := range watchers {
		if k, _, _ := strings.Cut(name, "."); k == kind {
			found = append(found, w.addr[name])
		}
	}
	return found
}

// writeBackupTime is what the backup's own job leaves behind for the node exporter.
func (w *world) writeBackupTime(at time.Time) error {
	text := fmt.Sprintf("minitwit_backup_last_success_timestamp_seconds %d\n", at.Unix())
	return replaceFile(filepath.Join(w.dir, "textfile", "backup.prom"), text)
}

// sql runs statements as the superuser.
func (w *world) sql(ctx context.Context, url string, statements ...string) error {
	// Without ON_ERROR_STOP psql goes on after an error and exits 0.
	args := []string{"-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url}
	// Each by itself: CREATE DATABASE must not share a transaction.
	for _, s := range statements {
		args = append(args, "-c", s)
	}
	out, err := exec.CommandContext(ctx, "psql", args...).CombinedOutput() //nolint:gosec // our own statements
	if err != nil {
		return fmt.Errorf("psql: %w: %s", err, out)
	}
	return nil
}
