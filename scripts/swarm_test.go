package scripts

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestSwarmMisuseIsOneLineAndExitTwo(t *testing.T) {
	t.Parallel()
	dir := clone(t) // where no Swarm was formed
	for _, args := range [][]string{
		{},
		{"explode"},
		{"init"},
		{"init", "a", "b"},
		{"init", "a", "--json"},
		{"init", "a", "--worker"},
		{"init", "a", "--address", "10.0.0"},
		{"init", "a", "--address=::1"},
		{"init", "a", "--zone"},
		{"init", "a", "--zone", "x y"},
		{"init", "a", "--zone="},
		{"init", "a", "--pool", "10.0.0.0"},
		{"init", "a", "--pool-mask", "24"},
		{"init", "a", "--force=yes"},
		{"init", "-a"},
		{"init", "-oProxyCommand=true"},
		{"init", "a;reboot"},
		{"init", "a", "--user", "-l"},
		{"join"},
		{"join", "a", "a"},
		{"join", "a", "b", "--address", "10.0.0.1"},
		{"join", "a", "--manager"},
		{"join", "a", "--manager", "'"},
		{"status", "a", "b"},
		{"status", "a", "--force"},
		{"doctor"},
		{"doctor", "a", "a"},
		{"doctor", "a", "--yaml"},
		{"tunnel"},
		{"tunnel", "a", "b"},
		{"tunnel", "a", "--json"},
	} {
		got := runIn(t, dir, append([]string{"swarm"}, args...)...)
		if got.code != 2 || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("swarm %q = %+v, want one line on standard error and exit 2", args, got)
		}
	}
}

func TestSwarmThatNobodyFormedHere(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"status"}, {"join", "a"}} {
		got := runIn(t, clone(t), append([]string{"swarm"}, args...)...)
		if got.code != 1 || got.stdout != "" || !strings.Contains(got.stderr, "no Swarm was formed from here: give --manager HOST") {
			t.Errorf("swarm %q = %+v, want exit 1 and how to name a manager", args, got)
		}
	}
}

// Three machines as swarm_probe.sh and swarm_reach.sh found them in the lab.
func TestSwarmDoctorPassesWhatIsFit(t *testing.T) {
	t.Parallel()
	for name, facts := range map[string]string{"bare": bareHosts(), "formed": formedHosts()} {
		for _, v := range judgeSwarm(t, facts) {
			if v.state != "ok" {
				t.Errorf("%s: %+v, want only ok", name, v)
			}
		}
	}
}

func TestSwarmDoctorTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	type change = map[string]string // key=value lines of host b, by key; "" takes the line away
	for _, test := range []struct {
		name, formed string
		change       change
		host         string // who is blamed, if not b
		check, state string
		found        string
		remedy       string
	}{
		{
			name: "ssh", change: change{"hello": "", "ssherror": "ssherror=root@b: Permission denied (publickey)."},
			check: "ssh", state: "fail", found: "Permission denied", remedy: "without a question",
		},
		{name: "no docker", change: change{"docker": "docker=missing"}, check: "engine", state: "fail", found: "no docker", remedy: "install"},
		{
			name: "engine stopped", change: change{"docker": "docker=silent\ndockererror=Cannot connect to the Docker daemon"},
			check: "engine", state: "fail", found: "Cannot connect", remedy: "systemctl",
		},
		{name: "Debian bookworm's engine", change: change{"engine": "engine=20.10.24+dfsg1"}, check: "engine", state: "fail", found: "20.10.24", remedy: "start_interval"},
		{name: "the one release without start_interval", change: change{"engine": "engine=25.0.0"}, check: "engine", state: "fail", found: "25.0.0", remedy: "25.0.1"},
		{name: "old client", change: change{"cli": "cli=25.0.5"}, check: "cli", state: "warn", found: "25.0.5", remedy: "--detach=false"},
		{name: "versions differ", change: change{"engine": "engine=28.5.1"}, check: "versions", state: "warn", found: "28.5.1, but 26.1.5", remedy: "one version"},
		{name: "nftables", change: change{"engine": "engine=29.1.0", "backend": "backend=nftables"}, check: "firewall-backend", state: "fail", found: "nftables", remedy: `"firewall-backend": "iptables"`},
		{name: "live-restore", change: change{"liverestore": "liverestore=true"}, check: "live-restore", state: "fail", found: "on", remedy: "daemon.json"},
		{name: "vfs", change: change{"storage": "storage=vfs"}, check: "storage", state: "warn", found: "vfs", remedy: "overlay2"},
		{
			name: "no ip_vs", change: change{"modules": "modules=ip_vs:missing vxlan:loaded br_netfilter:loaded nf_conntrack:loaded overlay:loaded"},
			check: "modules", state: "fail", found: "no ip_vs", remedy: "published ports reach nobody",
		},
		{name: "no forwarding", change: change{"forward": "forward=0"}, check: "forwarding", state: "fail", found: "ip_forward=0", remedy: "sysctl -w"},
		{name: "clock", change: change{"now": "now=1700000060.2"}, check: "clock", state: "fail", found: "+60.", remedy: "chrony"},
		{name: "clock, a little", change: change{"now": "now=1700000002.2"}, check: "clock", state: "warn", found: "+2.", remedy: "chrony"},
		{name: "a clock without fractions is no wrong clock", change: change{"now": "now=1700000001"}, check: "clock", state: "ok", found: "give or take 0.6"},
		{name: "disk full", change: change{"disk": "disk=900000"}, check: "disk", state: "fail", found: "0.9 GB", remedy: "prune"},
		{name: "disk low", change: change{"disk": "disk=3900000"}, check: "disk", state: "warn", found: "3.7 GB", remedy: "make room"},
		{name: "memory", change: change{"memory": "memory=760000"}, check: "memory", state: "warn", found: "742 MB", remedy: "1 GB"},
		{name: "secondary", change: change{"address": "address=10.77.0.12|eth0|1|0"}, check: "address", state: "fail", found: "secondary address of eth0", remedy: "primary"},
		{name: "address of somebody else", change: change{"chosen": "chosen=10.77.0.99"}, check: "address", state: "fail", found: "none of its addresses (10.77.0.12)", remedy: "--address"},
		{name: "leased", change: change{"address": "address=10.77.0.12|eth0|0|1"}, check: "lease", state: "warn", found: "DHCP", remedy: "static"},
		{name: "MTU differs", change: change{"mtu": "mtu=1400"}, check: "mtu", state: "fail", found: "a 1500, b 1400, c 1500", remedy: "large ones hang"},
		{name: "memory, much too little", change: change{"memory": "memory=250000"}, check: "memory", state: "fail", found: "244 MB", remedy: "1 GB"},
		{name: "name twice", change: change{"hostname": "hostname=n1"}, check: "hostname", state: "fail", found: "n1, as a", remedy: "hostnamectl"},
		{name: "ufw", change: change{"firewall": "firewall=ufw"}, check: "firewall", state: "warn", found: "ufw is active", remedy: "4789/udp"},
		{name: "port taken", change: change{"listens": "listens=5000/tcp"}, check: "ports", state: "fail", found: "5000/tcp taken", remedy: "ss -lntup"},
		{name: "node exporter", change: change{"listens": "listens=9100/tcp"}, check: "ports", state: "warn", found: "9100/tcp", remedy: "node exporter"},
		{name: "2377 filtered", change: change{"reach=1|2377/tcp": "reach=1|2377/tcp|silent"}, host: "a", check: "2377/tcp", state: "fail", found: "nothing comes back to b", remedy: "security group"},
		{name: "2377 rejected", change: change{"reach=1|2377/tcp": "reach=1|2377/tcp|refused"}, host: "a", check: "2377/tcp", state: "fail", found: "refused to b", remedy: "rule"},
		{name: "VXLAN filtered", change: change{"reach=3|4789/udp": "reach=3|4789/udp|silent"}, host: "c", check: "4789/udp", state: "fail", found: "nothing comes back to b", remedy: "let it pass"},
		{name: "nobody could listen", change: change{"listen=7946/udp": "", "reach=1|7946/udp": ""}, host: "a", check: "7946/udp", state: "warn", found: "not known from b", remedy: "perl"},
		{name: "path", change: change{"reach=1|path": "reach=1|path|toolong"}, host: "a", check: "path", state: "fail", found: "full ones of 1500 bytes do not", remedy: "MTU"},
		{name: "path unknown", change: change{"reach=1|path": "reach=1|path|silent"}, host: "a", check: "path", state: "warn", found: "not checked from b", remedy: "by hand"},

		{name: "another Swarm", formed: "yes", change: change{"nodeid": "nodeid=elsewhere"}, check: "swarm", state: "fail", found: "in another Swarm than a", remedy: "swarm leave --force"},
		{name: "locked", formed: "yes", change: change{"swarm": "swarm=locked"}, check: "swarm", state: "fail", found: "locked", remedy: "swarm unlock"},
		{name: "no quorum", formed: "yes", change: change{"node": ""}, check: "swarm", state: "fail", found: "without a quorum", remedy: "force-new-cluster"},
		{name: "overlay", formed: "yes", change: change{"reach=1|overlay": "reach=1|overlay|silent"}, host: "a", check: "overlay", state: "fail", found: "mesh of b does not reach it", remedy: "4789/udp"},
		{name: "overlay, MTU", formed: "yes", change: change{"reach=1|overlay": "reach=1|overlay|toolong"}, host: "a", check: "overlay", state: "fail", found: "large ones do not", remedy: "ingress"},
		{name: "mesh", formed: "yes", change: change{"sends": "sends=10.78.0.21\nsends=10.78.0.29"}, check: "mesh", state: "warn", found: "sends to 10.78.0.29, which no task has", remedy: "--availability drain n2"},
		{name: "mesh that leaves out", formed: "yes", change: change{"sends": "sends=10.78.0.21\nsends=10.78.0.23"}, check: "mesh", state: "warn", found: "sends nothing to minitwit_web.2 on n2", remedy: "docker rm -f"},
		{name: "2377 of a manager", formed: "yes", change: change{"reach=1|2377/tcp": "reach=1|2377/tcp|silent"}, host: "a", check: "2377/tcp", state: "fail", found: "nothing comes back to b", remedy: "let it pass"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			facts := bareHosts()
			if test.formed != "" {
				facts = formedHosts()
			}
			want := verdict{test.host, test.check, test.state, test.found, test.remedy}
			if want.host == "" {
				want.host = "b"
			}
			expectVerdict(t, judgeSwarm(t, changeHost(facts, "b", test.change)), want)
		})
	}
}

// A VPN, the same everywhere; 900 is less than 1500 also if awk sees text.
func TestSwarmDoctorSaysWhatNetworkMTUHasToBe(t *testing.T) {
	t.Parallel()
	for mtu, want := range map[string]verdict{
		"1420": {"a", "mtu", "warn", "1420", "NETWORK_MTU=1370"},
		"900":  {"a", "mtu", "warn", "900", "NETWORK_MTU=850"},
		"9001": {"a", "mtu", "ok", "NETWORK_MTU=1450 or up to 8951", ""},
	} {
		expectVerdict(t, judgeSwarm(t, strings.ReplaceAll(bareHosts(), "mtu=1500", "mtu="+mtu)), want)
	}
}

// A clone of a machine may leave a Swarm and keep the sandbox of its mesh; and who
// cannot be told by a listener is not told to be broken.
func TestSwarmDoctorOfABareMachineBesideAManager(t *testing.T) {
	t.Parallel()
	bare := changeHost(hostFacts("b", 2, false), "b", map[string]string{"reach=1|7946/udp": "", "reach=1|4789/udp": ""})
	got := judgeSwarm(t, strings.SplitAfter(formedHosts(), "end=1\n")[0]+bare)
	expectVerdict(t, got, verdict{"a", "4789/udp", "warn", "not known from b", "once all have joined"})
	for _, v := range got {
		if v.state == "fail" || v.check == "overlay" {
			t.Errorf("judged %+v, want no failure, and nothing of the mesh", v)
		}
	}
}

// A task of a machine that was not asked may have any address.
func TestSwarmDoctorJudgesTheMeshOnlyOfAllNodes(t *testing.T) {
	t.Parallel()
	for _, v := range judgeSwarm(t, strings.SplitAfter(formedHosts(), "end=1\n")[0]) {
		if v.check == "mesh" {
			t.Errorf("of one machine of three: %+v, want nothing of the mesh", v)
		}
	}
}

// What a manager says of all is judged by what the first says.
func TestSwarmDoctorCountsManagers(t *testing.T) {
	t.Parallel()
	const ready = "Ready|Active"
	node := func(name, state, manager string) string {
		return fmt.Sprintf("node=id%[1]s|%[1]s|%[2]s|%[3]s|26.1.5", name, state, manager)
	}
	for _, test := range []struct {
		name  string
		nodes []string
		extra map[string]string
		want  verdict
	}{
		{"one", []string{node("n1", ready, "Leader")}, nil, verdict{check: "managers", state: "warn", found: "1", remedy: "join two more"}},
		{"two", []string{node("n1", ready, "Leader"), node("n2", ready, "Reachable")}, nil, verdict{check: "managers", state: "warn", found: "2", remedy: "an even number"}},
		{
			"two of three",
			[]string{node("n1", ready, "Leader"), node("n2", ready, "Reachable"), node("n3", "Down|Active", "Unreachable")},
			nil,
			verdict{check: "managers", state: "fail", found: "2 of 3 reachable, not n3", remedy: "does not outlive another"},
		},
		{"a node down", []string{node("n1", ready, "Leader"), node("w", "Down|Active", "")}, nil, verdict{check: "nodes", state: "fail", found: "w is down", remedy: "node rm"}},
		{"drained", []string{node("n1", ready, "Leader"), node("w", "Ready|Drain", "")}, nil, verdict{check: "nodes", state: "warn", found: "w is set to drain", remedy: "--availability active"}},
		{"history", []string{node("n1", ready, "Leader")}, map[string]string{"history": "history=5"}, verdict{check: "history", state: "warn", found: "5", remedy: "--task-history-limit 20"}},
		{"autolock", []string{node("n1", ready, "Leader")}, map[string]string{"autolock": "autolock=true"}, verdict{check: "autolock", state: "ok", found: "on:"}},
	} {
		facts := strings.SplitAfter(formedHosts(), "end=1\n")[0]
		change := map[string]string{"node": strings.Join(test.nodes, "\n"), "nodeid": "nodeid=idn1"}
		for key, value := range test.extra {
			change[key] = value
		}
		test.want.host = "swarm"
		expectVerdict(t, judgeSwarm(t, changeHost(facts, "a", change)), test.want)
	}
}

func TestSwarmDoctorPrintsTableAndJSON(t *testing.T) {
	t.Parallel()
	fake := fakeSSH(t)
	fake.answer("root@a", hostFacts("a", 1, false))
	got := fake.run("doctor", "root@a")
	if got.code != 0 || !regexp.MustCompile(`(?m)^root@a +ok +engine +26\.1\.5\+dfsg1$`).MatchString(got.stdout) {
		t.Errorf("doctor = %+v, want exit 0 and a line for the engine", got)
	}

	fake.answer("root@a", changeHost(hostFacts("a", 1, false), "a", map[string]string{"backend": "backend=nftables"}))
	got = fake.run("doctor", "root@a", "--json")
	if got.code != 1 {
		t.Errorf("doctor of a failing machine = %+v, want exit 1", got)
	}
	found := false
	for _, line := range strings.Split(strings.TrimSpace(got.stdout), "\n") {
		var v struct {
			Host, Check, State, Found, Remedy string
			OK                                *bool
		}
		if err := json.Unmarshal([]byte(line), &v); err != nil || v.OK == nil || *v.OK != (v.State != "fail") || (v.State == "ok") != (v.Remedy == "") {
			t.Errorf("%s: %v, want host, check, ok, state, found and remedy that agree", line, err)
		}
		found = found || v.Check == "firewall-backend" && v.State == "fail"
	}
	if !found {
		t.Errorf("doctor --json = %s, want a failed firewall-backend", got.stdout)
	}
}

func TestSwarmDoctorOfAMachineThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	got := fakeSSH(t).run("doctor", "nowhere")
	if got.code != 1 || strings.Count(got.stdout, "\n") != 1 || !strings.Contains(got.stdout, "no route to nowhere") {
		t.Errorf("doctor = %+v, want one line with what ssh said", got)
	}
}

func TestSwarmInitRefusesAndForces(t *testing.T) {
	t.Parallel()
	fake := fakeSSH(t)
	fake.answer("a", changeHost(hostFacts("a", 1, false), "a", map[string]string{"disk": "disk=1000"}))
	got := fake.run("init", "a")
	if got.code != 1 || !regexp.MustCompile(`(?s)FAIL +disk.*make room.*--force`).MatchString(got.stderr) || fake.did("swarm init") {
		t.Errorf("init = %+v, did %q; want the failed check, --force, and nothing done", got, fake.log())
	}
	got = fake.run("init", "a", "--force", "--zone", "north", "--pool", "10.20.0.0/16")
	if got.code != 0 || got.stdout != "a manages the Swarm cluster1 at 10.77.0.11\n" {
		t.Errorf("init --force = %+v, want the Swarm", got)
	}
	for _, want := range []string{
		"swarm init --advertise-addr 10.77.0.11 --task-history-limit 20 --default-addr-pool 10.20.0.0/16 --default-addr-pool-mask-length 24",
		"node update --label-add zone=north idn2",
	} {
		if !fake.did(want) {
			t.Errorf("init did %q, want %q", fake.log(), want)
		}
	}
	if remembered := read(t, filepath.Join(fake.dir, ".local/swarm")); remembered != "a\n" {
		t.Errorf("init remembers %q, want a", remembered)
	}
}

// Docker looks at no machine's own networks when it chooses addresses.
func TestSwarmInitWantsAPoolWhereDockersOwnIsTaken(t *testing.T) {
	t.Parallel()
	fake := fakeSSH(t)
	fake.answer("a", changeHost(hostFacts("a", 1, false), "a", map[string]string{"chosen": "chosen=10.0.3.11", "address": "address=10.0.3.11|eth0|0|0"}))
	if got := fake.run("init", "a"); got.code != 1 || !strings.Contains(got.stderr, "--pool 10.213.0.0/16") || fake.did("swarm init") {
		t.Errorf("init = %+v, did %q; want nothing done, and --pool", got, fake.log())
	}
	if got := fake.run("init", "a", "--pool", "10.213.0.0/16"); got.code != 0 || !fake.did("--default-addr-pool 10.213.0.0/16") {
		t.Errorf("init --pool = %+v, did %q", got, fake.log())
	}
}

func TestSwarmInitIsIdempotent(t *testing.T) {
	t.Parallel()
	fake := fakeSSH(t)
	fake.answer("a", hostFacts("a", 1, true))
	for range 2 {
		got := fake.run("init", "a")
		if got.code != 0 || !strings.Contains(got.stderr, "already a manager") || fake.did("swarm init") {
			t.Errorf("init of a manager = %+v, did %q; want exit 0 and nothing done", got, fake.log())
		}
	}
	fake.answer("a", changeHost(hostFacts("a", 1, true), "a", map[string]string{"manager": "manager=false", "node": ""}))
	if got := fake.run("init", "a"); got.code != 1 || !strings.Contains(got.stderr, "docker swarm leave") {
		t.Errorf("init of a worker = %+v, want exit 1 and how to leave", got)
	}
}

func TestSwarmJoinKeepsTheTokenToItself(t *testing.T) {
	t.Parallel()
	fake := fakeSSH(t)
	fake.answer("a", hostFacts("a", 1, true))
	fake.answer("b", hostFacts("b", 2, false))
	got := fake.run("join", "b", "--manager", "a", "--worker")
	if got.code != 0 || got.stdout != "b is a worker of the Swarm\n" {
		t.Fatalf("join = %+v, want exit 0", got)
	}
	if !fake.did("swarm join --advertise-addr 10.77.0.12 --token SWMTKN-1-secret-worker 10.77.0.11:2377") {
		t.Fatalf("join did %q, want the token to reach docker", fake.log())
	}
	if strings.Contains(got.stderr+read(t, filepath.Join(fake.dir, "ssh.log")), "SWMTKN") {
		t.Error("the token is in the arguments of ssh or in what was said")
	}

	// What docker says of a token is not shown either.
	write(t, filepath.Join(fake.dir, "join-fails"), "")
	got = fake.run("join", "b", "--manager", "a")
	if got.code != 1 || strings.Contains(got.stderr, "SWMTKN") || !strings.Contains(got.stderr, "could not join: invalid join token") {
		t.Errorf("join that fails = %+v, want what docker said without the token", got)
	}
}

func TestSwarmJoinOfWhoIsSomewhereAlready(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		change map[string]string
		args   []string
		code   int
		want   string
	}{
		{nil, nil, 0, "b is already a manager of this Swarm"},
		{nil, []string{"--worker"}, 1, "docker node demote n2"},
		{map[string]string{"nodeid": "nodeid=elsewhere"}, nil, 1, "b belongs to another Swarm.*docker swarm leave --force"},
		{map[string]string{"nodeid": "nodeid=elsewhere"}, []string{"--force"}, 1, "b belongs to another Swarm"},
		{map[string]string{"manager": "manager=false", "node": ""}, nil, 1, "docker node promote n2"},
	} {
		fake := fakeSSH(t)
		fake.answer("a", hostFacts("a", 1, true))
		fake.answer("b", changeHost(hostFacts("b", 2, true), "b", test.change))
		got := fake.run(append([]string{"join", "b", "--manager", "a"}, test.args...)...)
		if got.code != test.code || !regexp.MustCompile(test.want).MatchString(got.stderr) || fake.did("swarm join --") {
			t.Errorf("join %q with %v = %+v, want exit %d and %q", test.args, test.change, got, test.code, test.want)
		}
	}
}

func TestSwarmStatus(t *testing.T) {
	t.Parallel()
	fake := fakeSSH(t)
	fake.answer("b", hostFacts("b", 2, true))
	// The first that is remembered is away.
	write(t, filepath.Join(fake.dir, ".local/swarm"), "a\nb\n")
	got := fake.run("status")
	for _, want := range []string{
		`(?m)^swarm +ok +leader +n1$`,
		`(?m)^swarm +ok +managers +3, all reachable; it outlives 1$`,
		`(?m)^n2 +ok +node +ready, active, manager reachable, engine 26.1.5\+dfsg1, zone north, 1 of 2 tasks run \(minitwit_api, minitwit_web\)$`,
	} {
		if !regexp.MustCompile(want).MatchString(got.stdout) {
			t.Errorf("status = %+v, want %q", got, want)
		}
	}
	if got.code != 0 || !strings.Contains(got.stderr, "a does not answer as a manager: ssh: no route to a") {
		t.Errorf("status = %+v, want exit 0 and a word about a", got)
	}

	fake.answer("b", changeHost(hostFacts("b", 2, true), "b", map[string]string{"node": "", "swarmerror": "swarmerror=The swarm does not have a leader."}))
	got = fake.run("status", "--json")
	if got.code != 1 || !strings.Contains(got.stdout, `"check":"quorum","ok":false,"state":"fail","found":"The swarm does not have a leader."`) {
		t.Errorf("status without a quorum = %+v, want exit 1 and a failed quorum", got)
	}
}

type verdict struct{ host, check, state, found, remedy string }

func TestSwarmTunnelLeadsToWhatWatchesAndNowhereElse(t *testing.T) {
	t.Parallel()
	fake := fakeSSH(t)
	fake.answer("root@a", hostFacts("a", 1, true))
	got := fake.run("tunnel", "root@a")
	log := read(t, filepath.Join(fake.dir, "ssh.log"))
	if got.code != 0 || !strings.Contains(got.stderr, "prometheus of root@a: http://127.0.0.1:9090\n") ||
		!strings.Contains(log, "-N -o ExitOnForwardFailure=yes -L 127.0.0.1:9090:172.18.0.3:9090 root@a\n") {
		t.Errorf("tunnel = %+v by\n%s", got, log)
	}
	if got := fakeSSH(t).run("tunnel", "nowhere"); got.code != 1 || !strings.Contains(got.stderr, "no route to nowhere") {
		t.Errorf("tunnel to nowhere = %+v", got)
	}
}

func judgeSwarm(t *testing.T, facts string) []verdict {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "awk", "-f", "lib/swarm_judge.awk")
	cmd.Stdin = strings.NewReader(facts)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var verdicts []verdict
	for _, line := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
		f := strings.Split(line, "\t")
		if len(f) != 5 || (f[2] == "ok") != (f[4] == "") {
			t.Fatalf("the verdict %q is malformed", line)
		}
		verdicts = append(verdicts, verdict{f[0], f[1], f[2], f[3], f[4]})
	}
	return verdicts
}

// expectVerdict looks for a verdict that holds the texts of want.
func expectVerdict(t *testing.T, got []verdict, want verdict) {
	t.Helper()
	var same []verdict
	for _, v := range got {
		if v.host != want.host || v.check != want.check {
			continue
		}
		if v.state == want.state && strings.Contains(v.found, want.found) && strings.Contains(v.remedy, want.remedy) {
			return
		}
		same = append(same, v)
	}
	t.Errorf("judged as %+v, want %+v", same, want)
}

func bareHosts() string {
	return hostFacts("a", 1, false) + hostFacts("b", 2, false) + hostFacts("c", 3, false)
}

func formedHosts() string {
	return hostFacts("a", 1, true) + hostFacts("b", 2, true) + hostFacts("c", 3, true)
}

// hostFacts is what was recorded of node N of the lab, under another name.
func hostFacts(host string, n int, formed bool) string {
	var text strings.Builder
	fmt.Fprintf(&text, `host=%[1]s
target=%[1]s
sent=1700000000.000
hello=1
got=1700000000.200
now=1700000000.113
user=root
hostname=n%[2]d
kernel=6.12.48+deb13-cloud-amd64
docker=answers
engine=26.1.5+dfsg1
cli=26.1.5+dfsg1
backend=
storage=overlay2
root=/var/lib/docker
liverestore=false
security=name=seccomp,profile=builtin name=cgroupns
modules=ip_vs:loaded vxlan:loaded br_netfilter:loaded nf_conntrack:loaded overlay:loaded
forward=1
memory=2011344
disk=7600000
address=10.77.0.1%[2]d|eth0|0|0
chosen=10.77.0.1%[2]d
interface=eth0
mtu=1500
reached=1
`, host, n)
	if formed {
		fmt.Fprintf(&text, `swarm=active
nodeid=idn%[1]d
nodeaddress=10.77.0.1%[1]d
manager=true
cluster=cluster1
history=20
autolock=false
node=idn1|n1|Ready|Active|Leader|26.1.5+dfsg1
node=idn2|n2|Ready|Active|Reachable|26.1.5+dfsg1
node=idn3|n3|Ready|Active|Reachable|26.1.5+dfsg1
ingress=10.78.0.%[1]d
holds=10.78.0.2%[1]d|minitwit_web.%[1]d.u2m0rkjc3scrdj7r5vbs5ies1
sends=10.78.0.21
sends=10.78.0.22
sends=10.78.0.23
listens=2377/tcp
listens=7946/tcp
listens=7946/udp
listens=4789/udp
listens=5000/tcp
`, n)
	} else {
		text.WriteString("swarm=inactive\nmanager=false\nlisten=2377/tcp\nlisten=7946/tcp\nlisten=7946/udp\nlisten=4789/udp\n")
	}
	for peer := 1; peer <= 3; peer++ {
		if peer == n {
			continue
		}
		whats := []string{"2377/tcp", "7946/tcp", "path"}
		if formed {
			whats = append(whats, "overlay")
		} else {
			whats = append(whats, "7946/udp", "4789/udp")
		}
		for _, what := range whats {
			fmt.Fprintf(&text, "reach=%d|%s|open\n", peer, what)
		}
	}
	return text.String() + "end=1\n"
}

// changeHost replaces all lines of one host that begin with a key by others, or
// adds them.
func changeHost(facts, host string, change map[string]string) string {
	var changed strings.Builder
	for _, part := range strings.SplitAfter(facts, "end=1\n") {
		if !strings.HasPrefix(part, "host="+host+"\n") {
			changed.WriteString(part)
			continue
		}
		for _, line := range strings.SplitAfter(part, "\n") {
			keep := true
			for key := range change {
				if strings.HasPrefix(line, key+"=") || strings.HasPrefix(line, key+"|") || strings.TrimSpace(line) == key {
					keep = false
				}
			}
			if line != "end=1\n" && keep {
				changed.WriteString(line)
			}
		}
		for _, lines := range change {
			if lines != "" {
				changed.WriteString(lines + "\n")
			}
		}
		changed.WriteString("end=1\n")
	}
	return changed.String()
}

// fake is a clone whose ssh answers from files, and runs what acts with a docker
// that only writes down what it was asked for.
type fake struct {
	t   *testing.T
	dir string
}

func fakeSSH(t *testing.T) fake {
	t.Helper()
	f := fake{t, clone(t)}
	write(t, filepath.Join(f.dir, "bin/ssh"), `#!/bin/sh
echo "$*" >>"$FAKE/ssh.log"
case "$*" in *' -N '*) exit 0 ;; esac
while [ $# -gt 3 ]; do shift; done
host=$1
[ -f "$FAKE/host.$host" ] || { echo "ssh: no route to $host" >&2; exit 255; }
read -r first
[ "$first" != 'echo hello=1' ] || echo hello=1
script=$first'
'$(cat)
case $script in
*FirewallBackend*)
	# Its clock is right.
	now=$(date +%s.%N)
	sed "s/^now=.*/now=$now/; /^sent=/d; /^got=/d; /^host=/d; /^target=/d; /^reach/d" "$FAKE/host.$host"
	;;
*ingress_sbox*) grep -E '^(reach|end)' "$FAKE/host.$host" ;;
*) printf '%s\n' "$script" | PATH=$FAKE/docker:$PATH sh -s ;;
esac
`)
	write(t, filepath.Join(f.dir, "docker/docker"), `#!/bin/sh
echo "$*" >>"$FAKE/docker.log"
case "$*" in
'swarm init '*) echo 'docker swarm join --token SWMTKN-1-secret' ;;
'swarm join-token -q '*) echo "SWMTKN-1-secret-$4" ;;
'swarm join '*) [ ! -e "$FAKE/join-fails" ] || { echo "Error response from daemon: invalid join token $6" >&2; exit 1; } ;;
*Cluster.ID*) echo 'cluster1 at 10.77.0.11' ;;
*Swarm.NodeID*) echo idn2 ;;
*Reachability*) echo 'ready ' ;;
'node ls -q') printf 'idn1\nidn2\nidn3\n' ;;
'network inspect '*) printf 'c1 172.18.0.3/16\nc2 172.18.0.4/16\nc3 -oProxyCommand=x/16\ningress-sbox 172.18.0.2/16\n' ;;
'inspect '*' c1') echo monitoring_prometheus ;;
'inspect '*' c2') echo minitwit_api ;;
'inspect '*' c3') echo monitoring_loki ;;
'inspect '*) exit 1 ;;
*zone=*) printf 'zone=idn1|\nzone=idn2|north\n' ;;
'node ps '*) printf 'task=n2|minitwit_api.1|Running 3 minutes ago\ntask=n2|minitwit_web.3|Preparing 2 seconds ago\n' ;;
esac
`)
	// No root is needed to be root there.
	write(t, filepath.Join(f.dir, "docker/sudo"), "#!/bin/sh\nexit 1\n")
	return f
}

func (f fake) answer(host, facts string) {
	write(f.t, filepath.Join(f.dir, "host."+host), facts)
}

// run runs the verb swarm.
func (f fake) run(args ...string) result {
	f.t.Helper()
	cmd := exec.CommandContext(f.t.Context(), filepath.Join(f.dir, "scripts/run.sh"), append([]string{"swarm"}, args...)...)
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(os.Environ(), "FAKE="+f.dir, "PATH="+filepath.Join(f.dir, "bin")+":"+os.Getenv("PATH"))
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		f.t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func (f fake) log() string {
	text, _ := os.ReadFile(filepath.Join(f.dir, "docker.log"))
	return string(text)
}

func (f fake) did(command string) bool { return strings.Contains(f.log(), command) }
