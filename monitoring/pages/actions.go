package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// What the faults do, and undo.

// slot matches one replica; n counts from 1, as Swarm does.
func slot(service string, n int) func(*replica) bool {
	return func(r *replica) bool { return r.service == service && r.slot == n }
}

// stop kills replicas, which stay down until start.
func stop(match func(*replica) bool) func(context.Context, *world) error {
	return func(_ context.Context, w *world) error {
		w.replicas.each(match, func(r *replica) { r.process.stop() })
		return nil
	}
}

func start(match func(*replica) bool) func(context.Context, *world) error {
	return func(_ context.Context, w *world) (err error) {
		w.replicas.each(match, func(r *replica) { err = errors.Join(err, r.process.start()) })
		return err
	}
}

// withFault replaces a service by the program that fails when told to; "" brings the
// release back.
func withFault(service, name string) func(context.Context, *world) error {
	return func(_ context.Context, w *world) (err error) {
		w.replicas.each(ofService(service), func(r *replica) {
			// First, so that what starts it again does not read what is being changed.
			r.process.stop()
			r.process.argv[0], r.process.env = w.bin["minitwit"], without(r.process.env, "MINITWIT_FAULT=")
			if name != "" {
				r.process.argv[0], r.process.env = w.bin["faults"], append(r.process.env, "MINITWIT_FAULT="+name)
			}
			err = errors.Join(err, r.process.start())
		})
		return err
	}
}

// oldSystem is what was dead for five days: both surfaces in one process that nothing
// starts again. The first page view ends it.
func oldSystem(ctx context.Context, w *world) error {
	return errors.Join(stop(ofTheSwarm)(ctx, w), w.programs["alone"].start())
}

func newSystem(ctx context.Context, w *world) error {
	w.programs["alone"].stop()
	return start(ofTheSwarm)(ctx, w)
}

// crashLoop leaves time for the 2 s of the restart's delay, so that each kill ends another task.
func crashLoop(_ context.Context, w *world) error {
	victim := w.replicas.of("api")[0].process
	w.helper = every(6*time.Second, func() { victim.signal(syscall.SIGKILL) })
	return nil
}

func calmDown(_ context.Context, w *world) error { w.stopHelper(); return nil }

// lockTable holds a lock that writers of a table wait for until they give up. SHARE keeps
// out INSERT and UPDATE and lets SELECT in, so that latest can still be read.
func lockTable(table string) func(context.Context, *world) error {
	return func(_ context.Context, w *world) error {
		return w.startHelper("psql", "-X", "-q", "-d", w.pg.URL(database), "-c", "BEGIN", "-c", "LOCK TABLE "+table+" IN SHARE MODE", "-c", "SELECT pg_sleep(3600)")
	}
}

// fillDatabase takes all connections that anybody may have, and each that becomes free.
// Those that are kept for superusers are left, or endHelper could not end it.
func fillDatabase(ctx context.Context, w *world) error {
	// A try before may have made the role.
	if err := w.sql(ctx, w.pg.URL("postgres"), "DROP ROLE IF EXISTS greedy", "CREATE ROLE greedy LOGIN"); err != nil {
		return err
	}
	// The first psql asks whether there is one left; only then the second takes it for good.
	return w.startHelper("sh", "-c", `while sleep 0.05; do
		psql -X -q -c "SELECT 1" "$0" >/dev/null && psql -X -q -c "SELECT pg_sleep(3600)" "$0" &
	done`, strings.Replace(w.pg.URL(database), "postgres@", "greedy@", 1))
}

// endHelper ends it here and in the database, which would not notice its death before
// its statement ends.
func endHelper(ctx context.Context, w *world) error {
	w.stopHelper()
	return w.sql(ctx, w.pg.URL("postgres"), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '"+helperName+"'")
}

// stopDatabase ends it as a crash would.
func stopDatabase(_ context.Context, w *world) error  { return w.pg.Stop("immediate") }
func startDatabase(_ context.Context, w *world) error { return w.pg.Start() }

func update(state swarm.UpdateState) func(context.Context, *world) error {
	return func(_ context.Context, w *world) error {
		w.manager.update("api", state)
		return nil
	}
}

// leaderless lets the manager refuse all lists, as a minority does.
func leaderless(yes bool) func(context.Context, *world) error {
	return func(_ context.Context, w *world) error {
		w.manager.change(func(m *manager) { m.leaderless = yes })
		return nil
	}
}

// loseNode takes a node away; its replicas start again on the others, as Swarm would
// let them.
func loseNode(_ context.Context, w *world) error {
	const victim = "n3"
	w.programs["node.3"].stop()
	for _, m := range w.mesh {
		m.close(victim)
	}
	w.manager.change(func(m *manager) { m.down = map[string]bool{victim: true} })
	w.replicas.each(onNode(victim), func(r *replica) { r.process.signal(syscall.SIGKILL); w.replicas.move(r, "n1") })
	return nil
}

// returnNode also moves the replicas back, which a Swarm would not do by itself: the next
// fault has to find what this one found.
func returnNode(_ context.Context, w *world) (err error) {
	for _, m := range w.mesh {
		err = errors.Join(err, m.open("n3"))
	}
	w.manager.change(func(m *manager) { m.down = nil })
	w.replicas.each(func(r *replica) bool { return r.slot == 3 }, func(r *replica) { w.replicas.move(r, "n3") })
	return errors.Join(err, w.programs["node.3"].start())
}

// kill ends programs that watch. They stay down until revive, or until renew starts all anew.
func kill(names ...string) func(context.Context, *world) error {
	return func(_ context.Context, w *world) error {
		for _, name := range names {
			w.programs[name].stop()
		}
		return nil
	}
}

func revive(names ...string) func(context.Context, *world) error {
	return func(_ context.Context, w *world) (err error) {
		for _, name := range names {
			err = errors.Join(err, w.programs[name].start())
		}
		return err
	}
}

// serveTLS opens a site with a certificate that soon ends. Blackbox trusts it by a file:
// of one that it does not trust it tells nothing but that.
func serveTLS(lasts time.Duration) func(context.Context, *world) error {
	return func(_ context.Context, w *world) error {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		cert := &x509.Certificate{
			SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(lasts),
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}
		der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
		if err != nil {
			return err
		}
		if err := replaceFile(w.trusted(), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))); err != nil {
			return err
		}
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12})
		if err != nil {
			return err
		}
		server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })}
		go func() { _ = server.Serve(l) }()
		w.helper = func() { _ = server.Close() }
		return w.tellOf(l.Addr().String())
	}
}

func endTLS(_ context.Context, w *world) error {
	w.stopHelper()
	return w.tellOf("")
}

const textfileFlag = "--collector.textfile.directory="

// played lets one node's exporter tell of a filesystem, or a time, that this machine
// does not have: the collector is off, and its metrics come from a file instead.
func played(program, collector string, text func() string) func(context.Context, *world) error {
	return func(_ context.Context, w *world) error {
		p := w.programs[program]
		p.stop()
		dir := filepath.Join(w.dir, "played")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		// Again and again, since a time that stood still would soon be behind.
		w.helper = every(time.Second, func() { _ = replaceFile(filepath.Join(dir, "played.prom"), text()) })
		// The exporter takes one such folder.
		p.argv = append(without(p.argv, textfileFlag), "--no-collector."+collector, textfileFlag+dir)
		return p.start()
	}
}

func unplayed(program string) func(context.Context, *world) error {
	return func(_ context.Context, w *world) error {
		w.stopHelper()
		p := w.programs[program]
		p.stop()
		p.argv, p.env = w.commandLine(program)
		return p.start()
	}
}

// nearlyFull leaves 4 of 100 GB, less than the twentieth at which DiskFillsSoon pages.
func nearlyFull() string {
	const disk = `{device="/dev/vda",fstype="ext4",mountpoint="/"}`
	return fmt.Sprintf("node_filesystem_size_bytes%s 1e11\nnode_filesystem_avail_bytes%s 4e9\n", disk, disk)
}

// ahead is the time in 30 s; ClockSkew allows 2.
func ahead() string {
	return fmt.Sprintf("node_time_seconds %d\n", time.Now().Add(30*time.Second).Unix())
}

// rejecting lets on-call's first receiver refuse whatever comes, and then does more.
func rejecting(then func(context.Context, *world) error) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error { w.sink.reject(true); return then(ctx, w) }
}

func accepting(then func(context.Context, *world) error) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error { w.sink.reject(false); return then(ctx, w) }
}
