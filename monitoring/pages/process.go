package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"minitwit/service/freeport"
)

// process is a program of the installation. It ends with this one. What stands above mu may
// be changed between stop and start.
type process struct {
	name string
	argv []string
	env  []string // besides PATH and HOME
	dir  string   // where its log is written

	mu      sync.Mutex
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the present one has ended
	wanted  bool          // else it stays down
	restart time.Duration // after its end it starts again so much later; 0: it does not
	starts  int
}

// start runs it, and again after each end where that is asked for. It has to be down: what
// ran would lose its place here to the new one, and nobody could stop it any more.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = true
	return p.launch()
}

// launch starts it once; p.mu is held.
func (p *process) launch() error {
	out, err := os.OpenFile(filepath.Join(p.dir, p.name+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()                              //nolint:errcheck // the process has its own
	p.cmd = exec.Command(p.argv[0], p.argv[1:]...) //nolint:gosec,noctx // our own table of programs; stop ends them
	// Of our environment PATH alone: whose machine it is must not matter.
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir}, p.env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	// A group of its own, so that Ctrl-C reaches us alone and signal reaches all that it has
	// started. However we die, the kernel ends it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	p.starts++
	p.exited = make(chan struct{})
	go p.await(p.cmd, p.exited)
	return nil
}

// await waits for the end of one start, and starts it again where that is asked for.
func (p *process) await(cmd *exec.Cmd, exited chan struct{}) {
	_ = cmd.Wait()
	close(exited)
	if p.restart == 0 {
		return
	}
	time.Sleep(p.restart) // as Swarm's restart_policy waits
	p.mu.Lock()
	defer p.mu.Unlock()
	// Meanwhile somebody may have stopped it, or stopped and started it.
	if p.wanted && p.cmd == cmd {
		_ = p.launch() // it started before
	}
}

// signal sends one to what runs, and to what that has started; whether it starts again is
// the supervisor's business.
func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil && p.cmd.Process != nil {
		_ = syscall.Kill(-p.cmd.Process.Pid, s) // it leads its group
	}
}

// stop ends it for good, with what it started, and waits for its end.
func (p *process) stop() {
	p.mu.Lock()
	p.wanted = false
	exited := p.exited
	p.mu.Unlock()
	if exited == nil {
		return
	}
	p.signal(syscall.SIGCONT) // one that was stopped could not end
	p.signal(syscall.SIGKILL)
	<-exited
}

// started counts its starts.
func (p *process) started() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.starts
}

// up tells whether it runs.
func (p *process) up() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exited == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// freeAddresses gives as many addresses of this machine that nobody listens on.
func freeAddresses(n int) ([]string, error) {
	addresses := make([]string, n)
	for i := range addresses {
		var err error
		if addresses[i], err = freeport.On("127.0.0.1"); err != nil {
			return nil, err
		}
	}
	return addresses, nil
}
