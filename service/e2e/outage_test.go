package e2e

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"minitwit/service/dbtest"
	"minitwit/service/wait"
)

// What a dead database may cost a request, and how soon the service has to be
// back when the database is. Here a machine that is busy with other tests must
// not matter; the bench holds the real aims.
var (
	mostPatience = 10 * time.Second
	mostRecovery = 10 * time.Second
)

// outageLength is how long the database stays away; the bench makes it longer.
var outageLength = 3 * time.Second

// outage runs a load, makes the database fail, waits until that has been felt
// for a while, mends it, and holds the service to its promises. It gives the
// time from the repair to the first success.
func outage(t *testing.T, a *app, fail, mend func()) (recovery time.Duration) {
	t.Helper()
	s := newSimulator()
	l := startLoad(t, newAPI(t, a), 4, 50*time.Millisecond)
	wait.For(t, deadline, "the load to run", func() bool { return l.acknowledged(time.Time{}) > 20 })
	fail()
	failedAt := time.Now()
	wait.For(t, deadline, "/readyz to say no", func() bool { return s.must(t, "GET", a.ops+"/readyz", "").status == 503 })
	checkHonestAnswers(t, a)
	<-time.After(time.Until(failedAt.Add(outageLength))) // the outage is the length itself
	if live := s.must(t, "GET", a.ops+"/livez", ""); live.status != 200 {
		t.Errorf("/livez while the database is away = %d %s, want 200", live.status, live.body)
	}
	mend()
	mended := time.Now()
	wait.For(t, deadline, "a success after the outage", func() bool { return l.acknowledged(mended) > 0 })
	if recovery = time.Since(mended); recovery > mostRecovery {
		t.Errorf("the first success came %v after the database was back, want at most %v", recovery, mostRecovery)
	}
	wait.For(t, deadline, "/readyz to say yes", func() bool { return s.must(t, "GET", a.ops+"/readyz", "").status == 200 })
	calls := l.finish()
	if longest := slowest(calls); longest > mostPatience {
		t.Errorf("a request took %v, want at most %v", longest, mostPatience)
	}
	t.Logf("%d of %d requests failed, the slowest took %v", len(failed(calls)), len(calls), slowest(calls))
	l.verify(a.api)
	return recovery
}

// checkHonestAnswers asks both surfaces while the database is away.
func checkHonestAnswers(t *testing.T, a *app) {
	t.Helper()
	s := newSimulator()
	for _, path := range []string{"/msgs", "/latest", "/msgs/" + url.PathEscape(loadUser(0)) + "?latest=7"} {
		if got, err := newAPI(t, a).try(request{method: "GET", path: path}); err != nil || got.status != 503 {
			t.Errorf("GET %s = %d, %v, want 503 as the description has it", path, got.status, err)
		}
	}
	for _, url := range []string{a.api + "/msgs", a.web + "/public", a.web + "/" + url.PathEscape(loadUser(0))} {
		answer := s.must(t, "GET", url, "")
		if answer.status != 503 || answer.header.Get("Retry-After") == "" || answer.took > mostPatience {
			t.Errorf("GET %s = %d after %v, Retry-After %q; want 503 with Retry-After in time",
				url, answer.status, answer.took, answer.header.Get("Retry-After"))
		}
		if strings.Contains(answer.body, "pq:") || strings.Contains(answer.body, "127.0.0.1") {
			t.Errorf("GET %s shows what it should not: %s", url, answer.body)
		}
	}
	if form := s.must(t, "GET", a.web+"/login", ""); form.status != 200 {
		t.Errorf("GET /login, which needs no database, = %d", form.status)
	}
}

func TestADatabaseThatStopsIsSurvived(t *testing.T) {
	for _, mode := range []string{"fast", "immediate"} { // an operator's stop, a crash
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			cluster, err := dbtest.NewCluster()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = cluster.Close() })
			a := start(t, options{db: cluster.URL("postgres"), args: []string{"--migrate"}, surfaces: 2, env: []string{asInProduction}})
			outage(t, a,
				func() { must(t, cluster.Stop(mode)) },
				func() { must(t, cluster.Start()) })
			a.terminate()
			if errors := a.logged("panic"); len(errors) > 0 {
				t.Errorf("the log has %v", errors)
			}
		})
	}
}

func TestADatabaseThatFallsSilentIsSurvived(t *testing.T) {
	t.Parallel()
	db, fail, mend := silence(t, dbtest.URL(t))
	outage(t, start(t, options{db: db, env: []string{asInProduction}}), fail, mend)
}

// silence puts a proxy before a database, which can swallow everything, as a
// network does that lost its way.
func silence(t *testing.T, db string) (proxied string, fail, mend func()) {
	t.Helper()
	target, err := url.Parse(db)
	must(t, err)
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, "postgres", "127.0.0.1:0", target.Host)
	must(t, proxy.Start())
	t.Cleanup(proxy.Stop)
	target.Host = proxy.Listen
	fail = func() {
		for _, stream := range []string{"upstream", "downstream"} {
			hole := `{"name":"` + stream + `","type":"timeout","stream":"` + stream + `","attributes":{"timeout":0}}`
			_, err := proxy.Toxics.AddToxicJson(strings.NewReader(hole))
			must(t, err)
		}
	}
	return target.String(), fail, func() { proxy.Toxics.ResetToxics(context.Background()) }
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
