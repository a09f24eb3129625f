package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"minitwit/service/wait"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// chromium is the browser that all tests share, each in a context of its own:
// state of the test binary, which TestMain ends.
var chromium struct {
	start sync.Once
	ctx   context.Context //nolint:containedctx // chromedp keeps its browser in one
	err   error
	end   []context.CancelFunc
}

func startChromium() {
	path, err := findChromium()
	if err != nil {
		chromium.err = err
		return
	}
	flags := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WSURLReadTimeout(2*time.Minute), // a busy machine starts it slowly
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("no-proxy-server", true))
	if web := os.Getenv("PLACE_WEB"); web != "" { // or it says of each page that it has no TLS
		flags = append(flags, chromedp.Flag("unsafely-treat-insecure-origin-as-secure", web))
	}
	allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), flags...)
	ctx, endBrowser := chromedp.NewContext(allocator)
	chromium.ctx, chromium.end = ctx, []context.CancelFunc{endBrowser, endAllocator}
	chromium.err = chromedp.Do(ctx) // without a deadline: it would be the browser's
}

// findChromium fails rather than let the tests be skipped: a page that no
// browser has seen is not tested.
func findChromium() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no chromium on PATH: apt-get install chromium")
}

func stopChromium() {
	for _, end := range chromium.end {
		end()
	}
}

// look is how a tab shows pages.
type look struct {
	width    int64
	dark     bool
	noScript bool
}

func (l look) String() string {
	scheme := map[bool]string{false: "light", true: "dark"}[l.dark]
	script := map[bool]string{false: "", true: "-noscript"}[l.noScript]
	return fmt.Sprintf("%d-%s%s", l.width, scheme, script)
}

// tab is a window of the browser that shares nothing with others.
type tab struct {
	t    testing.TB
	ctx  context.Context //nolint:containedctx // chromedp keeps its tab in one
	base string
	look look

	mu       sync.Mutex
	problems []string
}

func newTab(t testing.TB, a *app, l look) *tab {
	t.Helper()
	chromium.start.Do(startChromium)
	if chromium.err != nil {
		t.Fatal(chromium.err)
	}
	b := &tab{t: t, base: a.web, look: l}
	ctx, closeTab := chromedp.NewContext(chromium.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.listen))
	t.Cleanup(closeTab)
	b.ctx = ctx
	// The first use opens the tab and must have no deadline, as it would be the tab's.
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(l.width, 800)); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Func(l.emulate))
	t.Cleanup(b.checkProblems)
	return b
}

func (l look) emulate(ctx context.Context, target *chromedp.Target) error {
	scheme := map[bool]string{false: "light", true: "dark"}[l.dark]
	_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	if err != nil {
		return err
	}
	_, err = cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: l.noScript})
	return err
}

// listen collects whatever no page may do: errors and warnings on the console,
// violations of the content security policy among them, and requests to others.
func (b *tab) listen(event any) {
	switch e := event.(type) {
	case *cdplog.EventEntryAdded:
		b.complain("log: %s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
	case *runtime.EventConsoleAPICalled:
		b.complain("console.%s", e.Type)
	case *runtime.EventExceptionThrown:
		b.complain("exception: %v", e.ExceptionDetails)
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; !strings.HasPrefix(url, b.base+"/") && !strings.HasPrefix(url, "about:") {
			b.complain("request to %s", url)
		}
	}
}

func (b *tab) complain(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, fmt.Sprintf(format, args...))
}

// expectProblem wants exactly one problem, which holds that text, and forgets it.
func (b *tab) expectProblem(text string) {
	b.t.Helper()
	wait.For(b.t, deadline, "a problem with "+text, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		i := slices.IndexFunc(b.problems, func(p string) bool { return strings.Contains(p, text) })
		if i >= 0 {
			b.problems = slices.Delete(b.problems, i, i+1)
		}
		return i >= 0
	})
}

func (b *tab) checkProblems() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		b.t.Errorf("at %v: %s", b.look, p)
	}
}

// run performs an action and gives its value; it has a deadline.
func run[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, deadline)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatalf("at %v: %v", b.look, err)
	}
	return value
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	run(b, chromedp.Steps(steps...))
}

// visit goes to a page and checks how it fits.
func (b *tab) visit(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.base + path))
	b.fits()
}

// leave does what leads to another page and waits for it.
func (b *tab) leave(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, deadline)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, steps...); err != nil {
		b.t.Fatalf("at %v: %v", b.look, err)
	}
	b.fits()
}

// fits checks that nobody has to scroll sideways. It compares with the width
// of the screen: what does not fit may make the window itself wider.
func (b *tab) fits() {
	b.t.Helper()
	width := run(b, chromedp.Evaluate[int64]("document.documentElement.scrollWidth"))
	if width > b.look.width {
		b.t.Errorf("%s is %d pixels wide on a screen of %d", b.path(), width, b.look.width)
	}
}

func (b *tab) path() string {
	b.t.Helper()
	return strings.TrimPrefix(run(b, chromedp.Location()), b.base)
}

// text gives the text of the first element, as people see it.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return run(b, chromedp.Text(chromedp.CSS(selector)))
}

func (b *tab) count(selector string) int {
	b.t.Helper()
	return run(b, chromedp.Evaluate[int](fmt.Sprintf("document.querySelectorAll(%q).length", selector)))
}

func (b *tab) typeIn(selector, text string) {
	b.t.Helper()
	b.do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.leave(chromedp.Click(chromedp.CSS(selector)))
}

// signIn signs in a member that newMember made.
func (b *tab) signIn(name string) {
	b.t.Helper()
	b.visit("/login")
	b.typeIn("#username", name)
	b.typeIn("#password", "secret of "+name)
	b.leave(chromedp.KeyEvent(kb.Enter))
}

// show demands a path and a flash.
func (b *tab) show(path, flash string) {
	b.t.Helper()
	if got := b.path(); got != path {
		b.t.Errorf("at %v the page is %s, want %s", b.look, got, path)
	}
	if got := b.text(".flashes"); got != flash {
		b.t.Errorf("at %v %s shows the flash %q, want %q", b.look, path, got, flash)
	}
}

// screenshot saves the whole page in the folder MINITWIT_SCREENSHOTS, if that
// is set, for people to look at.
func (b *tab) screenshot(name string) {
	b.t.Helper()
	dir := os.Getenv("MINITWIT_SCREENSHOTS")
	if dir == "" {
		return
	}
	file := filepath.Join(dir, fmt.Sprintf("%s-%v.png", name, b.look))
	if err := os.WriteFile(file, run(b, chromedp.FullScreenshot(100)), 0o600); err != nil {
		b.t.Fatal(err)
	}
}
