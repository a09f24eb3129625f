package alertmanager

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"minitwit/service/freeport"
	"minitwit/service/wait"
)

// With repeat_interval equal to group_interval some beats are left out, but not in
// every run: which of two timers is first decides.
func TestTheHeartbeatRepeatsFasterThanItsGroup(t *testing.T) {
	t.Parallel()
	_, route, _ := strings.Cut(read(t, "alertmanager.yml"), "receiver: heartbeat\n")
	var group, repeat int
	for line := range strings.Lines(route) {
		_, _ = fmt.Sscanf(strings.TrimSpace(line), "group_interval: %ds", &group)
		if n, _ := fmt.Sscanf(strings.TrimSpace(line), "repeat_interval: %ds", &repeat); n == 1 {
			break
		}
	}
	if repeat == 0 || repeat >= group {
		t.Errorf("the heartbeat's repeat_interval is %d s, its group_interval %d s", repeat, group)
	}
}

func TestTheHeartbeatIsSteady(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	a := start(t, assemble(t, toSink(s)))
	begin := time.Now()
	a.post(t, newAlert("Watchdog", labels{"severity": "heartbeat"}))
	wait.For(t, 45*time.Second, "three heartbeats", func() bool { return len(s.of("/heartbeat", "Watchdog")) >= 3 })
	beats := s.of("/heartbeat", "")
	if first := beats[0].at.Sub(begin); first > 3*time.Second {
		t.Errorf("the first heartbeat came after %v", first)
	}
	for i, b := range beats[1:] {
		period := b.at.Sub(beats[i].at)
		t.Logf("heartbeat after %.2f s", period.Seconds())
		if period < 8*time.Second || period > 12*time.Second {
			t.Errorf("a heartbeat came after %v, want about 10 s", period)
		}
	}
}

func TestTwoAlertmanagersSendOneNoticeAndOneSuffices(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	config := assemble(t, toSink(s), "group_wait: 5s", "group_wait: 3s")
	pair := startPair(t, config)
	both := func(al alert) {
		for _, a := range pair {
			a.post(t, al)
		}
	}
	both(newAlert("EndpointDown", nil))
	wait.For(t, 15*time.Second, "a notice", func() bool { return len(s.of("/page", "EndpointDown")) > 0 })
	// Its notice takes longer than the second of the two waits for the first.
	both(newAlert("NodeDown", nil))
	wait.For(t, 15*time.Second, "the next notice", func() bool { return len(s.of("/page", "NodeDown")) > 0 })
	if n := len(s.of("/page", "EndpointDown")); n != 1 {
		t.Errorf("two Alertmanagers sent %d notices, want 1", n)
	}
	if err := pair[0].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	pair[1].post(t, newAlert("DatabaseDown", nil))
	wait.For(t, 20*time.Second, "a notice of the one that is left", func() bool { return len(s.of("/page", "DatabaseDown")) > 0 })
}

// startPair runs two that know each other.
func startPair(t *testing.T, config string) [2]*alertmanager {
	t.Helper()
	var pair [2]*alertmanager
	gossip := [2]string{freeport.For(t), freeport.For(t)}
	for i := range pair {
		pair[i] = start(t, config, "--cluster.listen-address="+gossip[i], "--cluster.peer="+gossip[1-i],
			// The second waits this long for the first; 15s by default.
			"--cluster.peer-timeout=2s", "--cluster.gossip-interval=50ms")
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
