package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"minitwit/service/freeport"
	"minitwit/service/minitwit"
	"minitwit/service/wait"
)

// The canary writes and reads as clients do, sets no latest, and people never see it.
func TestTheCanaryWritesAndReadsUnseen(t *testing.T) {
	t.Parallel()
	a := start(t, options{})
	ops := freeport.For(t)
	cmd := exec.Command(binaries.release, "canary", "--api", a.api, "--web", a.web, "--every", "100ms")
	cmd.Env = []string{"OPS_ADDR=" + ops}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	s := newSimulator()
	wait.For(t, deadline, "a message written and read", func() bool {
		got, err := s.do(t.Context(), "GET", "http://"+ops+"/metrics", "")
		return err == nil && strings.Contains(got.body, "\nminitwit_canary_success 1\n")
	})
	if page := s.must(t, "GET", a.web+"/"+minitwit.CanaryName, ""); !strings.Contains(page.body, "canary ") {
		t.Errorf("its own page does not show what it wrote:\n%s", page.body)
	}
	for _, list := range []string{a.web + "/public", a.api + "/msgs"} {
		if got := s.must(t, "GET", list, ""); got.status != 200 || strings.Contains(got.body, minitwit.CanaryName) {
			t.Errorf("%s = %d, shows the canary: %v", list, got.status, strings.Contains(got.body, minitwit.CanaryName))
		}
	}
	if got := s.must(t, "GET", a.api+"/latest", ""); strings.TrimSpace(got.body) != `{"latest":-1}` {
		t.Errorf("latest = %s, want it untouched", got.body)
	}
	v := newVisitor(t, a)
	for _, password := range []string{"", "!", "x"} {
		if p := v.post("/login", credentials(minitwit.CanaryName, password)); p.formError() != "Invalid password" {
			t.Errorf("sign in with %q: %d, %q", password, p.status, p.formError())
		}
	}
	a.kill()
	wait.For(t, deadline, "the failure to be reported", func() bool {
		got, err := s.do(t.Context(), "GET", "http://"+ops+"/metrics", "")
		return err == nil && strings.Contains(got.body, "\nminitwit_canary_success 0\n")
	})
}
