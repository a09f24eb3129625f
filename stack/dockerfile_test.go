package stack

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// image is a parsed Dockerfile: the ARGs before the first FROM, and the stages.
type image struct {
	text   []byte
	args   []instructions.ArgCommand
	stages []instructions.Stage
}

// final gives the stage that the image is made of.
func (i image) final() instructions.Stage { return i.stages[len(i.stages)-1] }

// parseImage reads a Dockerfile as docker itself does.
func parseImage(text []byte) (image, error) {
	tree, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return image{}, err
	}
	stages, args, err := instructions.Parse(tree.AST, nil)
	if err != nil {
		return image{}, err
	}
	return image{text: text, args: args, stages: stages}, nil
}

// commands gives all commands of one kind in some stages.
func commands[C instructions.Command](stages ...instructions.Stage) []C {
	var found []C
	for _, stage := range stages {
		for _, command := range stage.Commands {
			if c, ok := command.(C); ok {
				found = append(found, c)
			}
		}
	}
	return found
}

// rule holds an image against one rule and says what is wrong, "" if nothing is.
// The broken text takes the place of the good one in our Dockerfile, and the rule
// must then object: a rule that cannot fail proves nothing.
type rule struct {
	name         string
	check        func(image) string
	good, broken string
}

var rules = []rule{
	{"runs as a number that is not root", numericUser, "USER 65532:65532", "USER 0:0"},
	{"runs as a number, not a name", numericUser, "USER 65532:65532", "USER nobody"},
	{"says as whom it runs", numericUser, "USER 65532:65532", ""},
	{"has a health check", healthcheck, "CMD [\"/minitwit\", \"healthcheck\"]", "NONE"},
	{"checks health by the binary itself", healthcheck, "[\"/minitwit\", \"healthcheck\"]", "[\"/curl\", \"localhost\"]"},
	{"checks health without a shell", healthcheck, "[\"/minitwit\", \"healthcheck\"]", "/minitwit healthcheck"},
	{"starts without a shell", entrypoint, "ENTRYPOINT [\"/minitwit\"]", "ENTRYPOINT /minitwit"},
	{"uses COPY, not ADD", noAdd, "COPY go.mod go.sum ./", "ADD go.mod go.sum ./"},
	{"names the version of a base", pinnedBase, "golang:1.26-bookworm", "golang"},
	{"has no moving base", pinnedBase, "golang:1.26-bookworm", "golang:latest"},
	{"is not fooled by a registry's port", pinnedBase, "golang:1.26-bookworm", "registry.example:5000/golang"},
	{"lets the builder be replaced", builderArg, "FROM ${BUILDER} AS build", "FROM golang:1.26-bookworm AS build"},
	{"ends on scratch", scratch, "FROM scratch", "FROM debian:12"},
	{"runs nothing in the final image", noRun, "USER 65532", "RUN [\"/minitwit\", \"version\"]\nUSER 65532"},
	{"has no secret as an ARG", noSecrets, "ARG VERSION=unknown", "ARG GIT_TOKEN\nARG VERSION=unknown"},
	{"has no secret as an ARG before FROM", noSecrets, "ARG BUILDER", "ARG NETRC_PASSWORD\nARG BUILDER"},
	{"has no secret as an ENV", noSecrets, "USER 65532", "ENV SESSION_KEY=x\nUSER 65532"},
	{"trusts certificates", certificates, "COPY --from=build /etc/ssl/certs/ca-certificates.crt", "COPY --from=build /etc/hosts"},
	{"carries its version", labels, "org.opencontainers.image.version", "version"},
	{"carries its revision", labels, "org.opencontainers.image.revision=\"${REVISION}\"", "org.opencontainers.image.revision=\"main\""},
	{"carries its date", labels, "org.opencontainers.image.created", "date"},
	{"builds a release unless told otherwise", noTags, "ARG TAGS=\n", "ARG TAGS=faults\n"},
	{"builds with the tags that it is given", noTags, `-tags "${TAGS}"`, "-tags faults"},
	{"stays within Docker 20.10", plainSyntax, "# One image", "# syntax=docker/dockerfile:1\n# One image"},
	{"has no mounts", plainSyntax, "RUN go mod download", "RUN --mount=type=cache,target=/root/.cache go mod download"},
	{"has no heredoc", plainSyntax, "RUN go mod download", "RUN <<END\ngo mod download\nEND"},
	{"has no start interval", plainSyntax, "--interval=5s", "--interval=5s --start-interval=1s"},
}

func TestDockerfileKeepsTheRules(t *testing.T) {
	img, err := parseImage(readDockerfile(t))
	if err != nil {
		t.Fatalf("parse Dockerfile: %v", err)
	}
	for _, r := range rules {
		if problem := r.check(img); problem != "" {
			t.Errorf("%s: %s", r.name, problem)
		}
	}
}

func TestEachRuleCanFail(t *testing.T) {
	text := readDockerfile(t)
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			broken := bytes.Replace(text, []byte(r.good), []byte(r.broken), 1)
			if bytes.Equal(broken, text) {
				t.Fatalf("%q is not in the Dockerfile", r.good)
			}
			img, err := parseImage(broken)
			if err != nil {
				t.Fatalf("parse the broken Dockerfile: %v", err)
			}
			if r.check(img) == "" {
				t.Errorf("no objection to %q instead of %q", r.broken, r.good)
			}
		})
	}
}

func readDockerfile(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// extension finds what only BuildKit understands. The classic builder would
// refuse most of it, and take some of it for a comment.
var extension = regexp.MustCompile(`(?m)^# *syntax *=|^[^#\n]*(--mount|--link|--chmod|--start-interval|--platform|<<)`)

func plainSyntax(img image) string {
	if found := extension.Find(img.text); found != nil {
		return fmt.Sprintf("%q needs BuildKit", found)
	}
	return ""
}

func numericUser(img image) string {
	users := commands[*instructions.UserCommand](img.final())
	if len(users) == 0 {
		return "the final stage has no USER and runs as root"
	}
	user := users[len(users)-1].User
	for part := range strings.SplitSeq(user, ":") {
		if id, err := strconv.Atoi(part); err != nil || id <= 0 {
			return fmt.Sprintf("USER %s: want numbers above 0", user)
		}
	}
	return ""
}

func healthcheck(img image) string {
	checks := commands[*instructions.HealthCheckCommand](img.final())
	if len(checks) == 0 {
		return "the final stage has no HEALTHCHECK"
	}
	want := []string{"CMD", "/minitwit", "healthcheck"}
	if got := checks[len(checks)-1].Health.Test; !slices.Equal(got, want) {
		return fmt.Sprintf("HEALTHCHECK is %q, want %q", got, want)
	}
	return ""
}

func entrypoint(img image) string {
	for _, e := range commands[*instructions.EntrypointCommand](img.final()) {
		if !e.PrependShell && slices.Equal(e.CmdLine, []string{"/minitwit"}) {
			return ""
		}
	}
	return `want ENTRYPOINT ["/minitwit"]`
}

func noAdd(img image) string {
	for _, add := range commands[*instructions.AddCommand](img.stages...) {
		return add.String() + ": ADD fetches and unpacks, COPY only copies"
	}
	return ""
}

// pinnedBase looks at what the stages start from, with the defaults of the ARGs.
func pinnedBase(img image) string {
	for _, base := range bases(img) {
		// A colon before the last slash belongs to a registry's port.
		_, tag, _ := strings.Cut(base[strings.LastIndex(base, "/")+1:], ":")
		if tag == "" || tag == "latest" {
			return fmt.Sprintf("FROM %s: name a version", base)
		}
	}
	return ""
}

// bases lists the images the stages start from, without scratch and each other.
func bases(img image) []string {
	var found []string
	for _, stage := range img.stages {
		base := os.Expand(stage.BaseName, func(name string) string { return argDefault(img, name) })
		if _, ours := instructions.HasStage(img.stages, base); base != "scratch" && !ours {
			found = append(found, base)
		}
	}
	return found
}

func argDefault(img image, name string) string {
	for _, command := range img.args {
		for _, arg := range command.Args {
			if arg.Key == name {
				return arg.ValueString()
			}
		}
	}
	return ""
}

func builderArg(img image) string {
	if img.stages[0].BaseName != "${BUILDER}" || argDefault(img, "BUILDER") == "" {
		return "the first stage must be FROM ${BUILDER}, an ARG with a default"
	}
	return ""
}

func scratch(img image) string {
	if base := img.final().BaseName; base != "scratch" {
		return fmt.Sprintf("FROM %s: want scratch", base)
	}
	return ""
}

func noRun(img image) string {
	for _, run := range commands[*instructions.RunCommand](img.final()) {
		return run.String() + ": nothing can run in scratch"
	}
	return ""
}

var secretName = regexp.MustCompile(`(?i)(secret|token|passw|_key$|^key$|credential|database_url)`)

// noSecrets: what is an ARG or ENV can be read by everybody who has the image.
func noSecrets(img image) string {
	for _, name := range variables(img) {
		if secretName.MatchString(name) {
			return name + " looks like a secret: it would stay in the image's history"
		}
	}
	return ""
}

func variables(img image) []string {
	var names []string
	args := commands[*instructions.ArgCommand](img.stages...)
	for i := range img.args {
		args = append(args, &img.args[i])
	}
	for _, command := range args {
		for _, arg := range command.Args {
			names = append(names, arg.Key)
		}
	}
	for _, command := range commands[*instructions.EnvCommand](img.stages...) {
		for _, env := range command.Env {
			names = append(names, env.Key)
		}
	}
	return names
}

// certificates: without them no managed Postgres could be reached by TLS.
func certificates(img image) string {
	const file = "/etc/ssl/certs/ca-certificates.crt"
	for _, c := range commands[*instructions.CopyCommand](img.final()) {
		if c.From != "" && slices.Contains(c.SourcePaths, file) && c.DestPath == file {
			return ""
		}
	}
	return "the final stage must COPY --from=… " + file
}

// labels: what runs in production must say from which commit it is.
func labels(img image) string {
	got := map[string]string{}
	for _, command := range commands[*instructions.LabelCommand](img.final()) {
		for _, label := range command.Labels {
			got[strings.Trim(label.Key, `"`)] = strings.Trim(label.Value, `"`)
		}
	}
	for name, arg := range map[string]string{"version": "VERSION", "revision": "REVISION", "created": "CREATED"} {
		key := "org.opencontainers.image." + name
		if want := "${" + arg + "}"; got[key] != want {
			return fmt.Sprintf("LABEL %s=%q, want %q", key, got[key], want)
		}
	}
	return ""
}

// noTags: with a tag the binary can be made to fail on purpose, so an image has
// none that nobody asked for.
func noTags(img image) string {
	for _, run := range commands[*instructions.RunCommand](img.stages...) {
		if line := run.String(); strings.Contains(line, "go build") && !strings.Contains(line, `-tags "${TAGS}"`) {
			return line + `: want -tags "${TAGS}"`
		}
	}
	for _, command := range commands[*instructions.ArgCommand](img.stages...) {
		for _, arg := range command.Args {
			if arg.Key == "TAGS" && arg.ValueString() == "" {
				return ""
			}
		}
	}
	return "want ARG TAGS= with nothing behind it"
}
