package grafana

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// read decodes a YAML file. It is refused where it has what strict types do not know.
func read[T any](t *testing.T, path string, strict bool) (decoded T) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(strict)
	if err := decoder.Decode(&decoded); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return decoded
}

// datasources are those of one file of provisioning/datasources.
type datasources struct {
	APIVersion  int `yaml:"apiVersion"`
	Datasources []struct {
		Name, UID, Type, Access, URL string
		IsDefault                    bool `yaml:"isDefault"`
		Editable                     bool
		JSONData                     struct {
			TimeInterval string `yaml:"timeInterval"`
			HTTPMethod   string `yaml:"httpMethod"`
		} `yaml:"jsonData"`
	}
}

// provisioned gives all data sources, by what panels name them by.
func provisioned(t *testing.T) map[Datasource]bool {
	t.Helper()
	paths, err := filepath.Glob("provisioning/datasources/*.yml")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	found := map[Datasource]bool{}
	for _, path := range paths {
		for _, d := range read[datasources](t, path, true).Datasources {
			found[Datasource{d.Type, d.UID}] = true
		}
	}
	return found
}

func TestEachQueryGoesToADatasourceThatThereIs(t *testing.T) {
	t.Parallel()
	there := provisioned(t)
	for _, d := range dashboards(t) {
		for _, a := range d.Annotations.List {
			if !there[a.Datasource] {
				t.Errorf("%s: %s asks %v", d.UID, a.Name, a.Datasource)
			}
		}
		for _, p := range d.Panels {
			if p.Type != "row" && !there[p.Datasource] {
				t.Errorf("%s: %s asks %v", d.UID, p.Title, p.Datasource)
			}
		}
	}
}

// Grafana makes rates of at least four scrapes: it has to know how long one is. Whom it
// asks is a service of the same stack.
func TestTheDatasourceIsThePrometheusOfTheStack(t *testing.T) {
	t.Parallel()
	prometheus := read[struct {
		Global struct {
			ScrapeInterval string `yaml:"scrape_interval"`
		}
	}](t, "../prometheus/prometheus.yml", false)
	stack := read[struct{ Services map[string]any }](t, "../../stack/monitoring.yml", false)
	all := read[datasources](t, "provisioning/datasources/prometheus.yml", true).Datasources
	if len(all) != 1 || all[0].Editable || !all[0].IsDefault || all[0].Access != "proxy" {
		t.Fatalf("data sources are %+v", all)
	}
	if got, want := all[0].JSONData.TimeInterval, prometheus.Global.ScrapeInterval; got != want {
		t.Errorf("it counts on a scrape each %s, and there is one each %s", got, want)
	}
	address, err := url.Parse(all[0].URL)
	if err != nil || stack.Services[address.Hostname()] == nil {
		t.Errorf("%s is no service of stack/monitoring.yml: %v", all[0].URL, err)
	}
}

// Whatever somebody changes in the browser would be gone with the next deployment.
func TestDashboardsComeFromFilesAlone(t *testing.T) {
	t.Parallel()
	type provider struct {
		Name, Folder, Type string
		DisableDeletion    bool `yaml:"disableDeletion"`
		AllowUIUpdates     bool `yaml:"allowUiUpdates"`
		Options            struct{ Path string }
	}
	got := read[struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []provider
	}](t, "provisioning/dashboards/minitwit.yml", true).Providers
	want := provider{"minitwit", "MiniTwit", "file", true, false, struct{ Path string }{"/etc/grafana/dashboards"}}
	if len(got) != 1 || got[0] != want {
		t.Errorf("providers are %+v, want %+v", got, want)
	}
}

// settings reads grafana.ini: "section.key" and its value.
func settings(t *testing.T) map[string]string {
	t.Helper()
	content, err := os.ReadFile("grafana.ini")
	if err != nil {
		t.Fatal(err)
	}
	found, section := map[string]string{}, ""
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if name, isSection := strings.CutPrefix(line, "["); isSection {
			section = strings.TrimSuffix(name, "]") + "."
		} else if key, value, isSetting := strings.Cut(line, " = "); isSetting && !strings.HasPrefix(line, ";") {
			found[section+key] = value
		}
	}
	return found
}

func TestGrafanaLetsNobodyInAndCallsNobody(t *testing.T) {
	t.Parallel()
	got := settings(t)
	for key, want := range map[string]string{
		"auth.anonymous.enabled":             "false",
		"users.allow_sign_up":                "false",
		"security.cookie_secure":             "true",
		"security.disable_gravatar":          "true",
		"analytics.reporting_enabled":        "false",
		"analytics.check_for_updates":        "false",
		"analytics.check_for_plugin_updates": "false",
		"news.news_feed_enabled":             "false",
		"snapshots.external_enabled":         "false",
		"public_dashboards.enabled":          "false",
		"plugins.preinstall_disabled":        "true",
		"plugins.plugin_admin_enabled":       "false",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %s", key, got[key], want)
		}
	}
	for _, key := range []string{"security.admin_password", "security.secret_key"} {
		if !strings.HasPrefix(got[key], "$__file{/run/secrets/") {
			t.Errorf("%s does not come from a secret's file", key)
		}
	}
	if _, err := os.Stat("dashboards/" + strings.TrimPrefix(got["users.home_page"], "/d/") + ".json"); err != nil {
		t.Errorf("the first page is none of ours: %v", err)
	}
}
