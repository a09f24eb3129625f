package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"minitwit/service/dbtest"
)

// binaries are built once for all tests: the release, and one that can be made
// to fail on purpose.
var binaries struct{ release, faults string }

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "minitwit-e2e-")
	if err != nil {
		panic(err)
	}
	binaries.release = filepath.Join(dir, "minitwit")
	binaries.faults = filepath.Join(dir, "minitwit-faults")
	build("-o", binaries.release)
	build("-tags", "faults", "-o", binaries.faults)
	dbtest.Main(m, func() { _ = os.RemoveAll(dir) }, stopChromium)
}

func build(args ...string) {
	cmd := exec.Command("go", append(append([]string{"build", "-trimpath", "-ldflags", "-s -w"}, args...), "minitwit/service")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		os.Exit(1)
	}
}
