package dbtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"minitwit/service/postgres"
)

// template is the migrated database that those of the tests are copied from.
const template = "minitwit_template"

// The cluster that the tests of one package share: state of the test binary,
// which Main starts with and ends.
var shared struct {
	start   sync.Once
	cluster *Cluster
	admin   *postgres.Store
	err     error
	names   atomic.Int64
	copying sync.Mutex // Postgres copies a template for one at a time
}

// Main is a package's TestMain: it runs the tests, then cleans up what the
// package made, and removes the cluster.
// It ends the process and does not return.
func Main(m *testing.M, cleanups ...func()) {
	code := m.Run()
	for _, clean := range cleanups {
		clean()
	}
	if shared.cluster != nil {
		_ = shared.admin.Close()
		if err := shared.cluster.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// URL gives a test an empty, migrated database of its own.
func URL(t testing.TB) string {
	t.Helper()
	shared.start.Do(startShared)
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	name := fmt.Sprintf("test_%d", shared.names.Add(1))
	shared.copying.Lock()
	defer shared.copying.Unlock()
	if _, err := shared.admin.DB().ExecContext(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+template); err != nil {
		t.Fatalf("dbtest: create %s: %v", name, err)
	}
	return shared.cluster.URL(name)
}

// Limited gives a role that may read and write the database at address, from so
// many connections at once, and its URL. Two roles of one database would have the
// same name.
func Limited(t testing.TB, address string, connections int) (role, roleURL string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	role = "role_of_" + strings.TrimPrefix(u.Path, "/")
	_, err = shared.admin.DB().ExecContext(t.Context(), fmt.Sprintf(
		"CREATE ROLE %s LOGIN CONNECTION LIMIT %d IN ROLE pg_read_all_data, pg_write_all_data", role, connections))
	if err != nil {
		t.Fatalf("dbtest: create %s: %v", role, err)
	}
	u.User = url.User(role)
	return role, u.String()
}

// Open gives a test a Store on an empty, migrated database of its own.
func Open(t testing.TB) *postgres.Store {
	t.Helper()
	return OpenWith(t, postgres.Options{URL: URL(t)})
}

// OpenWith gives a test a Store that ends with the test. Unless told otherwise it is more patient
// than the product: what a statement may take there, the tests of outages say.
func OpenWith(t testing.TB, o postgres.Options) *postgres.Store {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	store, err := postgres.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// OpenPatient gives a test a Store for migrations of the database at url.
func OpenPatient(t testing.TB, url string) *postgres.Store {
	t.Helper()
	return OpenWith(t, postgres.Options{URL: url, Timeout: postgres.MigrationTimeout})
}

// startShared starts the cluster and migrates the template, once a package. What goes wrong
// is kept in shared.err, for each test to report.
func startShared() {
	// What survives a crash of the machine does not matter to a test.
	shared.cluster, shared.err = NewCluster("fsync = off", "synchronous_commit = off", "full_page_writes = off")
	if shared.err != nil {
		return
	}
	if shared.admin, shared.err = openPatient(shared.cluster.URL("postgres")); shared.err != nil {
		return
	}
	if _, shared.err = shared.admin.DB().Exec("CREATE DATABASE " + template); shared.err == nil {
		shared.err = migrateTemplate(shared.cluster.URL(template))
	}
}

func migrateTemplate(url string) error {
	store, err := openPatient(url)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	_, err = store.Migrate(context.Background())
	return err
}

func openPatient(url string) (*postgres.Store, error) {
	return postgres.Open(postgres.Options{URL: url, Timeout: postgres.MigrationTimeout})
}
