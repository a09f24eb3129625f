package alertmanager

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"minitwit/service/freeport"
	"minitwit/service/wait"
)

// With repeat_interval equal to group_interval some beats are left out, but not in
// every run: which of two timers is first decides. How soon the first one comes, a busy
// machine would tell as badly.
func TestTheHeartbeatRepeatsFasterThanItsGroup(t *testing.T) {
	t.Parallel()
	_, route, _ := strings.Cut(read(t, "alertmanager.yml"), "receiver: heartbeat\n")
	first, group, repeat := -1, 0, 0
	for line := range strings.Lines(route) {
		_, _ = fmt.Sscanf(strings.TrimSpace(line), "group_wait: %ds", &first)
		_, _ = fmt.Sscanf(strings.TrimSpace(line), "group_interval: %ds", &group)
		if n, _ := fmt.Sscanf(strings.TrimSpace(line), "repeat_interval: %ds", &repeat); n == 1 {
			break
		}
	}
	if first != 0 || repeat == 0 || repeat >= group {
		t.Errorf("the heartbeat's group_wait is %d s, its repeat_interval %d s, its group_interval %d s", first, repeat, group)
	}
}

func TestTheHeartbeatIsSteady(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	a := start(t, assemble(t, toSink(s)))
	begin := time.Now()
	a.post(t, newAlert("Watchdog", labels{"severity": "heartbeat"}))
	wait.For(t, 2*time.Minute, "three heartbeats", func() bool { return len(s.of("/heartbeat", "Watchdog")) >= 3 })
	beats := s.of("/heartbeat", "")
	if first := beats[0].at.Sub(begin); first > 30*time.Second {
		t.Errorf("the first heartbeat came after %v", first)
	}
	var periods []time.Duration
	for i, b := range beats[1:] {
		periods = append(periods, b.at.Sub(beats[i].at))
	}
	t.Logf("heartbeats after %v", periods)
	// About 10 s. One that arrives late makes its own period longer and the next one shorter,
	// so the longest says whether they come too often, and the shortest whether too seldom.
	if longest, shortest := slices.Max(periods), slices.Min(periods); longest < 8*time.Second || longest > 30*time.Second || shortest > 15*time.Second {
		t.Errorf("heartbeats came after %v, want about 10 s", periods)
	}
}

func TestTwoAlertmanagersSendOneNoticeAndOneSuffices(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	config := assemble(t, toSink(s), "group_wait: 7s", "group_wait: 8s")
	pair := startPair(t, config)
	both := func(al alert) {
		for _, a := range pair {
			a.post(t, al)
		}
	}
	both(newAlert("EndpointDown", nil))
	wait.For(t, 40*time.Second, "a notice", func() bool { return len(s.of("/page", "EndpointDown")) > 0 })
	// Its notice takes longer than the second of the two waits for the first.
	both(newAlert("NodeDown", nil))
	wait.For(t, 40*time.Second, "the next notice", func() bool { return len(s.of("/page", "NodeDown")) > 0 })
	if n := len(s.of("/page", "EndpointDown")); n != 1 {
		t.Errorf("two Alertmanagers sent %d notices, want 1", n)
	}
	if err := pair[0].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	pair[1].post(t, newAlert("DatabaseDown", nil))
	wait.For(t, 40*time.Second, "a notice of the one that is left", func() bool { return len(s.of("/page", "DatabaseDown")) > 0 })
}

// startPair runs two that know each other.
func startPair(t *testing.T, config string) [2]*alertmanager {
	t.Helper()
	var pair [2]*alertmanager
	gossip := [2]string{freeport.For(t), freeport.For(t)}
	for i := range pair {
		pair[i] = start(t, config, "--cluster.listen-address="+gossip[i], "--cluster.peer="+gossip[1-i],
			// The second waits this long for the first; 15s by default. Less than group_wait, and
			// more than a busy machine takes to send a notice and to tell the other.
			"--cluster.peer-timeout=6s", "--cluster.gossip-interval=50ms")
	}
	for _, a := range pair {
		wait.For(t, 20*time.Second, "they know each other", func() bool {
			var status struct {
				Cluster struct {
					Status string
					Peers  []any
				}
			}
			err := json.Unmarshal([]byte(get(a.url+"/api/v2/status")), &status)
			return err == nil && status.Cluster.Status == "ready" && len(status.Cluster.Peers) == 2
		})
	}
	return pair
}
