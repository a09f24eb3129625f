package scripts

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestLabMisuseIsOneLineAndExitTwo(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{},
		{"explode"},
		{"up", "now"},
		{"down", "--all"},
		{"status", "--yaml"},
		{"kill"},
		{"kill", "4"},
		{"kill", "1", "2"},
		{"start", "all"},
		{"cut", "10.77.0.11"},
		{"mend", ""},
		{"ssh"},
		{"ssh", "4"},
		{"db"},
		{"db", "drop"},
		{"db", "stop", "now"},
		{"push", "Tag"},
		{"push", "a", "b"},
		{"push-edge", "a"},
		{"deploy", "--now"},
		{"mesh", "1"},
		{"registry"},
		{"registry", "kill"},
		{"recover"},
		{"recover", "4"},
		{"db", "rotate", "now"},
		{"oncall", "reject"},
		{"certificate"},
		{"certificate", "0"},
		{"docker"},
		{"outside"},
	} {
		got := runIn(t, "..", append([]string{"lab"}, args...)...)
		if got.code != 2 || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("lab %q = %+v, want one line on standard error and exit 2", args, got)
		}
	}
}

// What acts on a lab says how to get one, and makes nothing.
func TestLabThatIsNotUp(t *testing.T) {
	t.Parallel()
	dir := clone(t)
	for _, args := range [][]string{
		{"kill", "n1"},
		{"start", "2"},
		{"cut", "3"},
		{"mend", "3"},
		{"db", "stop"},
		{"push"},
		{"push-edge"},
		{"deploy"},
		{"mesh"},
		{"registry", "stop"},
		{"recover", "1"},
		{"oncall", "accept"},
		{"certificate", "2"},
		{"docker", "ps"},
		{"ssh", "1"},
		{"outside", "true"},
		{"load", "--limit", "1"},
	} {
		got := runIn(t, dir, append([]string{"lab"}, args...)...)
		if got.code != 1 || strings.Count(got.stderr, "\n") != 1 || !regexp.MustCompile("not up|needs root").MatchString(got.stderr) {
			t.Errorf("lab %q = %+v, want one line that says what is missing, and exit 1", args, got)
		}
	}
}

func TestLabNodesDifferOnlyInWhoTheyAre(t *testing.T) {
	t.Parallel()
	one, two := labCommand(t, "1", "tcg"), labCommand(t, "2", "tcg")
	same := strings.NewReplacer("n1", "n2", "10.77.0.11", "10.77.0.12", "tap1", "tap2", ":77:00:11", ":77:00:12")
	if got := same.Replace(strings.Join(one, "\n")); got != strings.Join(two, "\n") {
		t.Errorf("n2 is started by\n%q\nwant\n%q", two, got)
	}
	line := strings.Join(one, " ")
	for _, want := range []string{
		"init=/sbin/lab-init", "lab.host=n1 lab.ip=10.77.0.11 lab.key=AAAAKEY",
		"if=virtio,snapshot=on", // or one node would write to the disk of all
		"n1.raw,format=raw,if=virtio,cache=unsafe",
		"panic=10", "i6300esb -action watchdog=reset", // or a hung manager would stay one
	} {
		if !strings.Contains(line, want) {
			t.Errorf("n1 is started without %q: %s", want, line)
		}
	}
}

func TestLabAccelerator(t *testing.T) {
	t.Parallel()
	for accel, want := range map[string][]string{
		"tcg": {"tcg,thread=multi,tb-size=512", "Westmere"},
		"kvm": {"kvm", "host"},
	} {
		command := labCommand(t, "1", accel)
		for i, flag := range []string{"-accel", "-cpu"} {
			at := slices.Index(command, flag)
			if at < 0 || command[at+1] != want[i] {
				t.Errorf("%s: qemu gets %q, want %s %s", accel, command, flag, want[i])
			}
		}
	}
}

// The nodes pull from the registry by plain HTTP only if both files name it alike.
func TestLabFilesNameOneRegistry(t *testing.T) {
	t.Parallel()
	registry := strings.TrimSpace(labFamily(t, `printf %s "$REGISTRY"`))
	for _, file := range []string{"../stack/lab/daemon.json", "../stack/lab/registry.yml"} {
		if !strings.Contains(read(t, file), registry) {
			t.Errorf("%s does not name the registry %s", file, registry)
		}
	}
}

// What lies in the cache is found again by what it was made from.
func TestLabCacheFollowsItsRecipe(t *testing.T) {
	t.Parallel()
	paths := func(change string) []string {
		return strings.Fields(labFamily(t, `RECIPE=$(mktemp -d); cp "$ROOT"/stack/lab/* "$RECIPE"; `+change+
			`; printf '%s %s\n' "$(tree_path)" "$(disk_path)"; rm -r "$RECIPE"`))
	}
	same, packages, init := paths(":"), paths(`echo tc >>"$RECIPE/packages"`), paths(`echo : >>"$RECIPE/init.sh"`)
	if packages[0] == same[0] || packages[1] == same[1] {
		t.Errorf("another package changes nothing: %q, %q", same, packages)
	}
	if init[0] != same[0] || init[1] == same[1] {
		t.Errorf("another init gives %q instead of %q; want the tree kept and the disk made anew", init, same)
	}
}

func labCommand(t *testing.T, node, accel string) []string {
	t.Helper()
	text := labFamily(t, `STATE=$(mktemp -d) TREE=/tree DISK=/disk; echo 'ssh-ed25519 AAAAKEY lab' >"$STATE/ssh.pub"
		vm_command "$1" "$2" | sed "s#$STATE#/state#"; rm -r "$STATE"`, node, accel)
	return strings.Split(strings.TrimSpace(text), "\n")
}

// labFamily runs a line of bash with the functions of the lab.
func labFamily(t *testing.T, script string, args ...string) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	script = `set -euo pipefail; ROOT=$PWD; . scripts/lib/common.sh; . scripts/lib/lab.sh; ` + script
	cmd := exec.CommandContext(t.Context(), "bash", append([]string{"-c", script, "bash"}, args...)...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v, %s", script, err, out)
	}
	return string(out)
}
